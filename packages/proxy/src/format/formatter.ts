// Substitution format strings: "%REQ(X?Y):3% %RESPONSE_CODE%" compiled to segments at configuration time, and
// evaluated for access logs, header values and local replies on the workers.

import {
  byteString,
  type FormatInput,
  type FormatValue,
  type OperatorDefinition,
  type ReadValue,
  valueText,
} from './format-input.ts';
import { headerOperators } from './header-operators.ts';
import { metadataOperators } from './metadata-operators.ts';
import { streamOperators } from './stream-operators.ts';
import { tlsOperators } from './tls-operators.ts';

const OPERATORS: ReadonlyMap<string, OperatorDefinition> = new Map(
  Object.entries({ ...streamOperators, ...headerOperators, ...metadataOperators, ...tlsOperators }),
);

/** One operator as Envoy's parser reads it: the name, text in brackets, a length. */
const COMMAND = /%([A-Z0-9_]+)(?:\((.*?)\))?(?::([0-9]+))?%/sy;

function compileOperator(name: string, text: string | null, lengthBytes: number): ReadValue {
  const definition = OPERATORS.get(name);
  if (definition === undefined) throw new Error(`Not supported field in StreamInfo: ${name}`);
  if (definition.parameters === 'none' && text !== null && text !== '')
    throw new Error(`${name} does not take any parameters`);
  if (definition.parameters === 'required' && (text === null || text === ''))
    throw new Error(`${name} requires parameters`);
  if (lengthBytes > 0 && !definition.truncates)
    throw new Error(`${name} does not allow length to be specified.`);
  const read = definition.compile({ name, text, compile: compileOperator });
  if (lengthBytes === 0) return read;
  return (input, logType) => {
    const value = valueText(read(input, logType));
    return value === null ? null : value.slice(0, lengthBytes);
  };
}

/** Splits a format into constant text and operators; throws with Envoy's words. */
function parseFormat(format: string): (string | ReadValue)[] {
  const segments: (string | ReadValue)[] = [];
  let constant = '';
  let at = 0;
  while (at < format.length) {
    const percent = format.indexOf('%', at);
    if (percent < 0) {
      constant += format.slice(at);
      break;
    }
    constant += format.slice(at, percent);
    if (format.charCodeAt(percent + 1) === 0x25) {
      constant += '%';
      at = percent + 2;
      continue;
    }
    COMMAND.lastIndex = percent;
    const match = COMMAND.exec(format);
    if (match === null)
      throw new Error(
        `Incorrect configuration: ${format}. Couldn't find valid command at position ${percent}`,
      );
    if (constant !== '') segments.push(byteString(constant));
    constant = '';
    segments.push(compileOperator(match[1], match[2] ?? null, Number(match[3] ?? 0)));
    at = COMMAND.lastIndex;
  }
  if (constant !== '') segments.push(byteString(constant));
  return segments;
}

/** A compiled format. Shared by all requests; evaluation keeps no state. */
export class Formatter {
  readonly #segments: readonly (string | ReadValue)[];
  /** What stands for an operator without a value: '-' in logs, '' in headers and with omit_empty_values. */
  readonly #absent: string;
  /** The text when no operator is in it; null otherwise. */
  readonly constant: string | null;

  constructor(segments: readonly (string | ReadValue)[], absent: string) {
    this.#segments = segments;
    this.#absent = absent;
    this.constant = segments.every(segment => typeof segment === 'string') ? segments.join('') : null;
  }

  /** The text for one request, a byte string. */
  format(input: FormatInput, logType = 'NotSet'): string {
    if (this.constant !== null) return this.constant;
    let out = '';
    const segments = this.#segments;
    for (let i = 0; i < segments.length; i++) {
      const segment = segments[i];
      out += typeof segment === 'string' ? segment : (valueText(segment(input, logType)) ?? this.#absent);
    }
    return out;
  }

  /** The typed value when the format is one single operator, else the text. */
  value(input: FormatInput, logType: string): FormatValue {
    const first = this.#segments[0];
    if (this.#segments.length === 1 && typeof first !== 'string') return first(input, logType);
    return this.format(input, logType);
  }
}

export interface FormatOptions {
  /** Operators without a value yield '' instead of '-'. */
  readonly omitEmpty?: boolean;
}

/**
 * Compiles a format string.
 * @throws Error with Envoy's text: "Incorrect configuration: 50%. Couldn't find valid command at position 2",
 * "Not supported field in StreamInfo: NOPE".
 */
export function compileFormat(format: string, options: FormatOptions = {}): Formatter {
  return new Formatter(parseFormat(format), options.omitEmpty === true ? '' : '-');
}

/** Names of all operators, for documentation and checks. */
export function operatorNames(): string[] {
  return [...OPERATORS.keys()].sort();
}
