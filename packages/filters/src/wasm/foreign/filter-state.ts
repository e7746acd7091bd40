// Values that plugins keep at a stream: what proxy_set_property stores, and the foreign function set_envoy_filter_state.

import { Status } from '@dragoman/abi';
import type { Stream } from '@dragoman/proxy';
import { type Context, type ForeignFunction, ProtobufError, readBytesFields } from '@dragoman/vm';
import { declarationOf, LifeSpan } from './property-declarations.ts';

/** Kinds of filter state that a text makes and that something here reads: of Envoy's, those without effects of their own. */
const FACTORIES: ReadonlySet<string> = new Set(['envoy.string', 'envoy.hashable_string']);

/** The stream that a context's host stands for; null on a root. */
export type StreamOf = (context: Context) => Stream | null;

/** Sets the property `key` (the guest's raw path). BAD_ARGUMENT: it is declared read-only and has a value. */
export function setStreamProperty(stream: Stream, root: Context | null, key: string, value: Buffer): Status {
  const { readonly, span } = declarationOf(root, key);
  const name = `wasm.${key}`;
  if (readonly && stream.info.filterState?.has(name)) return Status.BadArgument;
  keep(stream, name, value, span);
  return Status.Ok;
}

function keep(stream: Stream, name: string, value: unknown, span: number): void {
  stream.info.setFilterState(name, value);
  if (span !== LifeSpan.DownstreamConnection) return;
  const { connection } = stream;
  connection.filterState ??= new Map();
  connection.filterState.set(name, value);
}

/** SetEnvoyFilterStateArguments: path 1, value 2, span 3; on the effective context. NOT_FOUND: no stream, or no kind of state is called `path`. */
export const setEnvoyFilterState =
  (streamOf: StreamOf): ForeignFunction =>
  (args, context) => {
    try {
      const fields = readBytesFields(args);
      const path = fields.get(1)?.toString('utf8') ?? '';
      const stream = streamOf(context.vm.effective);
      if (stream === null || !FACTORIES.has(path)) return { status: Status.NotFound, result: null };
      keep(stream, path, fields.get(2)?.toString('utf8') ?? '', Number(fields.get(3) ?? 0));
      return { status: Status.Ok, result: null };
    } catch (error) {
      if (error instanceof ProtobufError) return { status: Status.BadArgument, result: null };
      throw error;
    }
  };
