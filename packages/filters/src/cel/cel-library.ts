// The CEL evaluator, loaded with the first expression: most configurations have none, and it costs a thread 100 ms.

import { createRequire } from 'node:module';

type Cel = typeof import('@bufbuild/cel');
type Protobuf = typeof import('@bufbuild/protobuf');
type WellKnown = typeof import('@bufbuild/protobuf/wkt');
type Reflect = typeof import('@bufbuild/protobuf/reflect');

/** The parts of the library that are used here. */
export interface CelLibrary {
  readonly cel: Cel;
  readonly protobuf: Protobuf;
  readonly wellKnown: WellKnown;
  readonly reflect: Reflect;
  readonly environment: ReturnType<Cel['celEnv']>;
}

let loaded: CelLibrary | null = null;

export function celLibrary(): CelLibrary {
  if (loaded !== null) return loaded;
  const require = createRequire(import.meta.url);
  const cel = require('@bufbuild/cel') as Cel;
  loaded = {
    cel,
    protobuf: require('@bufbuild/protobuf') as Protobuf,
    wellKnown: require('@bufbuild/protobuf/wkt') as WellKnown,
    reflect: require('@bufbuild/protobuf/reflect') as Reflect,
    environment: cel.celEnv(),
  };
  return loaded;
}
