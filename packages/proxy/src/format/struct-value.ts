// Values of a google.protobuf.Struct as Envoy's logs show them: members in the order of their names, and numbers, which are
// all doubles, in their shortest form (C++ to_chars: 100000 is 1e+05, 120000 is 120000).

import { byteString, type FormatValue } from './format-input.ts';

/** JSON text that is written as it is (ECMAScript's raw JSON, which TypeScript does not know yet). */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): { readonly rawJSON: string } };

export function structValue(value: unknown): FormatValue {
  if (typeof value === 'string') return byteString(value);
  return (shown(value) ?? null) as FormatValue;
}

function shown(value: unknown): unknown {
  if (typeof value === 'number') return shownNumber(value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(shown);
  const members = Object.entries(value).map(([name, member]) => [name, shown(member)] as const);
  return Object.fromEntries(members.sort(([one], [other]) => (one < other ? -1 : 1)));
}

function shownNumber(value: number): unknown {
  const text = shortestText(value);
  return text === String(value) ? value : rawJSON(text);
}

/** The shorter one of the fixed and the scientific notation, the fixed one when they are equally long. */
export function shortestText(value: number): string {
  if (!Number.isFinite(value)) return 'null';
  const [, digits, sign, exponent] = /^(.*)e([+-])(\d+)$/.exec(value.toExponential())!;
  const scientific = `${digits}e${sign}${exponent.padStart(2, '0')}`;
  const plain = String(value);
  const fixed = plain.includes('e') ? null : plain;
  return fixed !== null && fixed.length <= scientific.length ? fixed : scientific;
}
