// The support tables of this repository in one list. To support a field, add its name to its message's line in
// the file of its area; to support an extension, add its type to its category.

import { bootstrapSupport } from './bootstrap.ts';
import { clusterSupport } from './cluster.ts';
import { connectionManagerSupport } from './connection-manager.ts';
import { coreSupport } from './core.ts';
import { httpFilterSupport } from './http-filters.ts';
import { listenerSupport } from './listener.ts';
import { routeSupport } from './route.ts';
import { Support, type SupportDeclaration } from './support.ts';
import { transportSupport } from './transport.ts';
import { wasmSupport } from './wasm.ts';

/** All tables; exported for the test that holds them against the schema. */
export const BUILT_IN: readonly SupportDeclaration[] = [
  coreSupport,
  bootstrapSupport,
  listenerSupport,
  connectionManagerSupport,
  routeSupport,
  clusterSupport,
  httpFilterSupport,
  transportSupport,
  wasmSupport,
];

let builtIn: Support | null = null;

/** The tables here plus what the caller declares. */
export function supportWith(declarations: readonly SupportDeclaration[]): Support {
  if (declarations.length > 0) return new Support([...BUILT_IN, ...declarations]);
  builtIn ??= new Support(BUILT_IN);
  return builtIn;
}
