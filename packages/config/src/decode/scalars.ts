// Protobuf's JSON rules for single values: numbers, bools, bytes, durations, timestamps, enums. Each function returns
// the decoded value or a Refusal that says what would be right.

import type { EnumSchema, FieldKind } from '../schema/descriptor.ts';
import type { Json } from '../text/source.ts';
import { suggestion } from './suggestion.ts';

/** Why a value was not taken. */
export class Refusal {
  readonly message: string;
  readonly expected: string;
  readonly hint: string;

  constructor(message: string, expected = '', hint = '') {
    this.message = message;
    this.expected = expected;
    this.hint = hint;
  }
}

const INTEGER_RANGES: Partial<Record<FieldKind, [number, number]>> = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  sint32: [-(2 ** 31), 2 ** 31 - 1],
  sfixed32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  fixed32: [0, 2 ** 32 - 1],
  int64: [-(2 ** 63), 2 ** 63 - 1],
  sint64: [-(2 ** 63), 2 ** 63 - 1],
  sfixed64: [-(2 ** 63), 2 ** 63 - 1],
  uint64: [0, 2 ** 64 - 1],
  fixed64: [0, 2 ** 64 - 1],
};
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?$/;
/** protobuf's own limit: about 10 000 years. */
const MAX_DURATION_S = 315_576_000_000;

/** A value as it may be quoted in a message. */
export function show(value: Json): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

export function decodeScalar(kind: FieldKind, json: Json): string | number | boolean | Uint8Array | Refusal {
  if (kind === 'string') return typeof json === 'string' ? json : notText(json);
  if (kind === 'bool') return decodeBool(json);
  if (kind === 'bytes') return decodeBytes(json);
  return decodeNumber(kind, json);
}

function notText(json: Json): Refusal {
  const quoting = typeof json === 'number' || typeof json === 'boolean';
  return new Refusal(`${show(json)} is not a string`, 'a string', quoting ? `quote it: "${json}"` : '');
}

function decodeBool(json: Json): boolean | Refusal {
  if (typeof json === 'boolean') return json;
  if (json === 'true') return true;
  if (json === 'false') return false;
  return new Refusal(`${show(json)} is not a bool`, 'true or false');
}

function decodeNumber(kind: FieldKind, json: Json): number | Refusal {
  const range = INTEGER_RANGES[kind];
  const what = range === undefined ? 'a number' : `an integer (${kind})`;
  let number: number;
  if (typeof json === 'number') number = json;
  else if (typeof json === 'string' && NUMBER.test(json)) number = Number(json);
  else if (range === undefined && (json === 'NaN' || json === 'Infinity' || json === '-Infinity'))
    return Number(json);
  else return new Refusal(`${show(json)} is not a number`, what);
  if (range === undefined) return number;
  if (!Number.isInteger(number)) return new Refusal(`${show(json)} is not an integer`, what);
  if (number < range[0] || number > range[1])
    return new Refusal(`${show(json)} is out of range for ${kind}`, what);
  return number;
}

function decodeBytes(json: Json): Uint8Array | Refusal {
  if (typeof json !== 'string' || !/^[A-Za-z0-9+/_-]*={0,2}$/.test(json)) {
    return new Refusal(`${show(json)} is not base64`, 'base64 text');
  }
  return new Uint8Array(Buffer.from(json, 'base64'));
}

/** `1.5s` as milliseconds. */
export function decodeDuration(json: Json): number | Refusal {
  const expected = 'seconds such as 0.25s or 30s';
  if (typeof json !== 'string') {
    return new Refusal(
      `${show(json)} is not a duration`,
      expected,
      typeof json === 'number' ? `write ${json}s` : '',
    );
  }
  const match = /^(-?)(\d+)(?:\.(\d{1,9}))?s$/.exec(json);
  if (match === null) {
    return new Refusal(
      `duration must end with a single 's' after decimal seconds, not ${show(json)}`,
      expected,
      inSeconds(json),
    );
  }
  const seconds = Number(match[2]);
  if (seconds > MAX_DURATION_S)
    return new Refusal(`duration ${json} is out of range`, `at most ${MAX_DURATION_S}s`);
  const ms = seconds * 1000 + Number((match[3] ?? '').padEnd(9, '0')) / 1e6;
  return match[1] === '-' ? -ms : ms;
}

/** What the author of `250ms` or `5m` wants to write. */
function inSeconds(text: string): string {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|m|h)$/.exec(text);
  if (match === null) return '';
  const factor = { ms: 0.001, m: 60, h: 3600 }[match[2] as 'ms' | 'm' | 'h'];
  return `write ${Number((Number(match[1]) * factor).toFixed(9))}s`;
}

/** RFC 3339 as milliseconds since 1970. */
export function decodeTimestamp(json: Json): number | Refusal {
  const shape = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[-+]\d\d:\d\d)$/;
  const ms = typeof json === 'string' && shape.test(json) ? Date.parse(json) : Number.NaN;
  return Number.isNaN(ms)
    ? new Refusal(`${show(json)} is not a timestamp`, 'RFC 3339, such as 2026-01-31T12:00:00Z')
    : ms;
}

/** An enum's name by any-case name or by number; a number without a name stays a number in text. */
export function decodeEnum(schema: EnumSchema, json: Json): string | Refusal {
  if (typeof json === 'string') {
    const number = schema.byUpperName.get(json.toUpperCase());
    if (number !== undefined) return schema.byNumber.get(number)!;
    if (/^-?\d+$/.test(json)) return schema.byNumber.get(Number(json)) ?? json;
  }
  if (typeof json === 'number' && Number.isInteger(json)) return schema.byNumber.get(json) ?? String(json);
  const names = schema.names;
  const listed = names.length > 12 ? `${names.slice(0, 12).join(', ')}, ...` : names.join(', ');
  return new Refusal(
    `unknown enum value: ${typeof json === 'string' ? `'${json}'` : show(json)}`,
    `one of ${listed}`,
    suggestion(String(json), names),
  );
}
