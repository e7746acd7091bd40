// All attributes by root and name, and the value at a path. What plugins set by themselves (set_property) comes after the
// names of the tables (ABI reference 8.3).

import { descend, type PropertyMap, type PropertyValue } from '@dragoman/vm';
import { metadataProperty } from '../property-messages.ts';
import { ALWAYS, type Attribute, type AttributeGroup, type AttributeSource } from './attribute.ts';
import { LEGACY_NAMES, xdsAttributes } from './configuration-attributes.ts';
import { filterStateProperty, filterStateValue, WASM_STATE_PREFIX } from './filter-state.ts';
import {
  connectionAttributes,
  connectionId,
  destinationAttributes,
  sourceAttributes,
  upstreamAttributes,
} from './peer-attributes.ts';
import { requestAttributes } from './request-attributes.ts';
import { responseAttributes } from './response-attributes.ts';

/** Roots with attributes under them. None of them can be read whole (S96). */
export const ATTRIBUTE_GROUPS: ReadonlyMap<string, AttributeGroup> = new Map([
  ['request', requestAttributes],
  ['response', responseAttributes],
  ['connection', connectionAttributes],
  ['source', sourceAttributes],
  ['destination', destinationAttributes],
  ['upstream', upstreamAttributes],
  ['xds', xdsAttributes],
]);

/** Attributes that are roots themselves. plugin_name, plugin_root_id and plugin_vm_id are answered by the VM. */
export const ROOT_ATTRIBUTES: ReadonlyMap<string, Attribute> = new Map<string, Attribute>([
  ['connection_id', { type: 'uint', when: ALWAYS, read: connectionId }],
  ['metadata', { type: 'message', when: ALWAYS, read: ({ info }) => metadataProperty(info.dynamicMetadata) }],
  [
    'filter_state',
    { type: 'map', when: 'by key only', read: ({ info }) => filterStateProperty(info.filterState) },
  ],
  [
    'upstream_filter_state',
    {
      type: 'map',
      when: 'by key only, once there is an upstream connection; it is always empty',
      read: ({ info }) => (info.upstreamLocalAddress === '' ? undefined : NO_STATE),
    },
  ],
  ...[...LEGACY_NAMES].map((name): [string, Attribute] => [name, xdsAttributes[name]]),
]);

/** Upstream connections carry no state of their own. */
const NO_STATE: PropertyMap = filterStateProperty(null);

/** The attribute at the beginning of `path` and how many components name it; null when there is none. */
function find(path: readonly string[]): Attribute | null {
  const group = ATTRIBUTE_GROUPS.get(path[0]);
  if (group === undefined) return ROOT_ATTRIBUTES.get(path[0]) ?? null;
  return path.length > 1 && Object.hasOwn(group, path[1]) ? group[path[1]] : null;
}

/** The value at `path`, which has one component at least; undefined when there is none. */
export function attributeValue(source: AttributeSource, path: readonly string[]): PropertyValue {
  const attribute = find(path);
  const isGroup = ATTRIBUTE_GROUPS.has(path[0]);
  if (attribute !== null) return descend(attribute.read(source), path, isGroup ? 2 : 1);
  if (isGroup) return path.length === 1 ? null : undefined;
  return descend(filterStateValue(source.info.filterState?.get(WASM_STATE_PREFIX + path[0])), path, 1);
}
