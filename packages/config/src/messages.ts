// Single messages for other packages: from JSON, to and from bytes, and the check a resource gets on its own (xDS,
// plugins that bring configurations).

import type { MessageTypes } from '../descriptor/types.ts';
import { type CheckOptions, checkMessage } from './check/check.ts';
import { type Decoded, JsonDecoder, type UnknownFields } from './decode/json-decoder.ts';
import { WireDecoder } from './decode/wire-decoder.ts';
import { type ConfigError, configErrorAt, Problems } from './errors.ts';
import type { Json } from './text/source.ts';

/** The decoded type of a message name; unknown for names that are not literals. */
export type MessageOf<N extends string> = N extends keyof MessageTypes ? MessageTypes[N] : unknown;

/** One decoded message, or what is wrong with it. */
export interface DecodeResult<T> {
  /** Undefined when there are errors. */
  message: T | undefined;
  errors: ConfigError[];
  warnings: ConfigError[];
  unknownFieldCount: number;
}

/** How decodeMessage and decodeResource go about it. */
export interface DecodeOptions {
  /** What to call the message in errors. */
  name?: string;
  unknownFields?: UnknownFields;
}

/** And how a resource is checked. */
export interface ResourceOptions extends DecodeOptions, CheckOptions {
  /** Names of the clusters that exist, when routes to others are to be refused. */
  clusterNames?: ReadonlySet<string>;
}

function result<T>(
  message: unknown,
  problems: Problems,
  name: string,
  unknownFieldCount: number,
): DecodeResult<T> {
  const errors: ConfigError[] = [];
  const warnings: ConfigError[] = [];
  for (const problem of problems.list) {
    (problem.warning ? warnings : errors).push(configErrorAt(problem, { file: name, line: 0, column: 0 }));
  }
  return { message: errors.length === 0 ? (message as T) : undefined, errors, warnings, unknownFieldCount };
}

/** Decodes protobuf JSON into a message of the named type. Checks its shape only, not the schema's rules. */
export function decodeMessage<N extends string>(
  typeName: N,
  json: Json,
  options: DecodeOptions = {},
): DecodeResult<MessageOf<N>> {
  const problems = new Problems();
  const decoder = new JsonDecoder(problems, options.unknownFields);
  const message = decoder.value(typeName, json);
  return result(message, problems, options.name ?? typeName, decoder.unknownFieldCount);
}

/** Decodes wire bytes into a message of the named type. Throws for bytes that are no such message. */
export function decodeBytes<N extends string>(typeName: N, bytes: Uint8Array): MessageOf<N> {
  return new WireDecoder().decode(typeName, bytes) as MessageOf<N>;
}

/**
 * Decodes and fully checks one resource (a Listener, a Cluster, a RouteConfiguration ...) from JSON or from bytes, as a
 * static one is checked. Unknown fields in bytes are counted only.
 */
export function decodeResource<N extends string>(
  typeName: N,
  source: Json | Uint8Array,
  options: ResourceOptions = {},
): DecodeResult<MessageOf<N>> {
  const problems = new Problems();
  let message: unknown;
  let unknownFieldCount: number;
  if (source instanceof Uint8Array) {
    const decoder = new WireDecoder(problems);
    try {
      message = decoder.decode(typeName, source);
    } catch (error) {
      problems.error([], `not a ${typeName}: ${(error as Error).message}`);
    }
    unknownFieldCount = decoder.unknownFieldCount;
  } else {
    const decoder = new JsonDecoder(problems, options.unknownFields);
    message = decoder.value(typeName, source);
    unknownFieldCount = decoder.unknownFieldCount;
  }
  if (message !== undefined) {
    checkMessage(typeName, message as Decoded, options, problems, options.clusterNames ?? null);
  }
  return result(message, problems, options.name ?? typeName, unknownFieldCount);
}
