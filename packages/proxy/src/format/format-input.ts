// What a format is evaluated against, and the form of a compiled operator. A Stream fits FormatInput as it is;
// TCP connections have the same shape with no headers. Worker threads.

import type { Metadata } from '@dragoman/config';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '@dragoman/http';
import type { StreamInfo } from '../filter-chain/stream-info.ts';

/** The facts of one request, as far as there are any. */
export interface FormatInput {
  readonly requestHeaders: RequestHeaders | null;
  readonly responseHeaders: ResponseHeaders | null;
  readonly responseTrailers: HeaderMap | null;
  readonly info: StreamInfo;
  /** The route the request took, as far as formats show it. */
  readonly route: {
    readonly metadata: Metadata | undefined;
    readonly virtualHost?: { readonly metadata: Metadata | undefined };
  } | null;
}

/** What an operator yields: null when there is no value. Numbers and booleans stay typed in JSON formats. */
export type FormatValue =
  | string
  | number
  | boolean
  | null
  | { readonly [key: string]: unknown }
  | readonly unknown[];

/**
 * Reads one operator's value. `logType` is what %ACCESS_LOG_TYPE% shows ("DownstreamEnd", "NotSet").
 * Strings are byte strings, as in header values: each character stands for one byte.
 */
export type ReadValue = (input: FormatInput, logType: string) => FormatValue;

/** What an operator's definition is given: the text between the brackets, or null when there are none. */
export interface OperatorArguments {
  readonly name: string;
  readonly text: string | null;
  /** Operators inside COALESCE and the like. */
  readonly compile: (name: string, text: string | null, lengthBytes: number) => ReadValue;
}

/** How an operator may be written (Envoy: CommandSyntaxChecker). */
export interface OperatorDefinition {
  readonly parameters: 'none' | 'optional' | 'required';
  /** `%X:5%` is allowed. */
  readonly truncates: boolean;
  compile(args: OperatorArguments): ReadValue;
}

/** Text of a configuration or of metadata (UTF-16) as a byte string of its UTF-8 form. */
export function byteString(text: string): string {
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return Buffer.from(text, 'utf8').toString('latin1');
  }
  return text;
}

/** A value as text, JSON for structures; null stays null. */
export function valueText(value: FormatValue): string | null {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
    case 'boolean':
      return String(value);
    default:
      return value === null ? null : byteString(JSON.stringify(value));
  }
}
