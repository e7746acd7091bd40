// Properties that need no stream: the node, under its present and its older name.

import type { Node } from '@dragoman/config';
import { descend, type PropertyValue } from '@dragoman/vm';
import { nodeProperty } from './property-messages.ts';

/** The value at `path` for a root context; undefined when there is none. */
export function rootProperty(node: Node | undefined, path: readonly string[]): PropertyValue {
  if (path[0] === 'xds') {
    if (path.length === 1) return null;
    return path[1] === 'node' ? descend(nodeProperty(node), path, 2) : undefined;
  }
  // Envoy dropped this name in 1.33; plugins still ask for it.
  return path[0] === 'node' ? descend(nodeProperty(node), path, 1) : undefined;
}
