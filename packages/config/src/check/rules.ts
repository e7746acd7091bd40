// The rules of protoc-gen-validate (`validate.rules`) on decoded values, with the wording Envoy's generated
// validators use. One value at a time; walker.ts brings every field of every message here.

import type { Decoded } from '../decode/json-decoder.ts';
import type { Problems } from '../errors.ts';
import {
  enumSchema,
  type FieldRules,
  type FieldSchema,
  type MessageSchema,
  type RuleValues,
} from '../schema/descriptor.ts';

/** Explains what is wrong with a value, or returns null. */
type Rule = (value: never, rule: never, rules: RuleValues) => string | null;

const HEADER_NAME = /^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+$/;
const HEADER_VALUE = /^[^\x00-\x08\x0a-\x1f\x7f]*$/;
const LOOSE_HEADER = /^[^\0\n\r]*$/;

const list = (values: unknown[]): string => `[${values.join(', ')}]`;
const holds = (good: boolean, text: string): string | null => (good ? null : text);

function wellKnownRegex(value: string, name: string, rules: RuleValues): string | null {
  const isName = name === 'HTTP_HEADER_NAME';
  const strict = rules.strict !== false;
  const pattern = strict ? (isName ? HEADER_NAME : HEADER_VALUE) : LOOSE_HEADER;
  const good = pattern.test(value);
  return holds(good, `value does not match regex pattern "${pattern.source}"`);
}

const STRING_RULES: Record<string, Rule> = {
  const: (value: string, rule: string) => holds(value === rule, `value must equal ${rule}`),
  min_len: (value: string, rule: number) =>
    holds([...value].length >= rule, `value length must be at least ${rule} characters`),
  max_len: (value: string, rule: number) =>
    holds([...value].length <= rule, `value length must be at most ${rule} characters`),
  min_bytes: (value: string, rule: number) =>
    holds(Buffer.byteLength(value) >= rule, `value length must be at least ${rule} bytes`),
  max_bytes: (value: string, rule: number) =>
    holds(Buffer.byteLength(value) <= rule, `value length must be at most ${rule} bytes`),
  prefix: (value: string, rule: string) =>
    holds(value.startsWith(rule), `value does not have prefix "${rule}"`),
  pattern: (value: string, rule: string) =>
    holds(new RegExp(rule, 'u').test(value), `value does not match regex pattern "${rule}"`),
  in: (value: string, rule: string[]) => holds(rule.includes(value), `value must be in list ${list(rule)}`),
  not_in: (value: string, rule: string[]) =>
    holds(!rule.includes(value), `value must not be in list ${list(rule)}`),
  well_known_regex: wellKnownRegex as Rule,
  uri: (value: string) => holds(URL.canParse(value), 'value must be a valid URI'),
};

const BYTES_RULES: Record<string, Rule> = {
  min_len: (value: Uint8Array, rule: number) =>
    holds(value.length >= rule, `value length must be at least ${rule} bytes`),
  max_len: (value: Uint8Array, rule: number) =>
    holds(value.length <= rule, `value length must be at most ${rule} bytes`),
};

/** gt/gte with lt/lte make one range in the text; alone they make a comparison. */
function outOfRange(value: number, rules: RuleValues, unit: string): string | null {
  const { gt, gte, lt, lte } = rules as { gt?: number; gte?: number; lt?: number; lte?: number };
  const aboveLow = gt !== undefined ? value > gt : gte !== undefined ? value >= gte : true;
  const belowHigh = lt !== undefined ? value < lt : lte !== undefined ? value <= lte : true;
  const [low, high] = [gt ?? gte, lt ?? lte];
  const isHole = low !== undefined && high !== undefined && low > high;
  if (isHole ? aboveLow || belowHigh : aboveLow && belowHigh) return null;
  const show = (n: number): string => (unit === 's' ? `${n / 1000}s` : String(n));
  if (isHole) return `value must be outside range (${show(high)}, ${show(low)})`;
  if (low !== undefined && high !== undefined) {
    return `value must be inside range ${gt !== undefined ? '(' : '['}${show(low)}, ${show(high)}${lt !== undefined ? ')' : ']'}`;
  }
  if (low !== undefined)
    return `value must be greater than ${gte !== undefined ? 'or equal to ' : ''}${show(low)}`;
  return `value must be less than ${lte !== undefined ? 'or equal to ' : ''}${show(high!)}`;
}

function brokenNumber(value: number, rules: RuleValues, unit: string): string | null {
  if (rules.const !== undefined && value !== Number(rules.const)) return `value must equal ${rules.const}`;
  const members = rules.in as number[] | undefined;
  if (members !== undefined && !members.includes(value)) return `value must be in list ${list(members)}`;
  const excluded = rules.not_in as number[] | undefined;
  if (excluded?.includes(value)) return `value must not be in list ${list(excluded)}`;
  return outOfRange(value, rules, unit);
}

function brokenEnum(value: string, rules: RuleValues, typeName: string): string | null {
  const schema = enumSchema(typeName);
  const number = schema.byUpperName.get(value.toUpperCase());
  if (rules.defined_only === true && number === undefined)
    return 'value must be one of the defined enum values';
  const excluded = rules.not_in as number[] | undefined;
  if (number !== undefined && excluded?.includes(number))
    return `value must not be in list ${list(excluded)}`;
  const members = rules.in as number[] | undefined;
  if (members !== undefined && !members.includes(number ?? -1))
    return `value must be in list ${list(members)}`;
  return rules.const !== undefined && number !== rules.const ? `value must equal ${rules.const}` : null;
}

function brokenByTable(table: Record<string, Rule>, value: unknown, rules: RuleValues): string | null {
  for (const [name, rule] of Object.entries(rules)) {
    const broken = table[name]?.(value as never, rule as never, rules) ?? null;
    if (broken !== null) return broken;
  }
  return null;
}

const isEmpty = (value: unknown): boolean =>
  value === '' || value === 0 || value === false || (value instanceof Uint8Array && value.length === 0);

/** What one present value breaks, or null. `typeName` is the enum's. */
export function brokenRule(kind: string, value: unknown, rules: RuleValues, typeName: string): string | null {
  if (rules.ignore_empty === true && isEmpty(value)) return null;
  switch (kind) {
    case 'string':
      return brokenByTable(STRING_RULES, value, rules);
    case 'bytes':
      return brokenByTable(BYTES_RULES, value, rules);
    case 'bool':
      return holds(rules.const === undefined || value === rules.const, `value must equal ${rules.const}`);
    case 'enum':
      return brokenEnum(value as string, rules, typeName);
    case 'duration':
      return brokenNumber(value as number, rules, 's');
    case 'any':
    case 'message':
    case 'repeated':
    case 'map':
      return null;
    default:
      return brokenNumber(value as number, rules, '');
  }
}

/** Collects what is wrong with one field: `report` gets the path below the field and the text. */
type Report = (below: (string | number)[], text: string) => void;

function checkSingle(
  field: FieldSchema,
  value: unknown,
  rules: FieldRules,
  below: (string | number)[],
  report: Report,
): void {
  for (const kind of Object.keys(rules)) {
    const broken = brokenRule(kind, value, rules[kind]!, field.typeName);
    if (broken !== null) report(below, broken);
  }
}

function checkList(field: FieldSchema, values: unknown[], rules: RuleValues, report: Report): void {
  const { min_items, max_items, unique, items } = rules as {
    min_items?: number;
    max_items?: number;
    unique?: boolean;
    items?: FieldRules;
  };
  if (values.length < (min_items ?? 0)) report([], `value must contain at least ${min_items} item(s)`);
  if (values.length > (max_items ?? Number.POSITIVE_INFINITY))
    report([], `value must contain no more than ${max_items} item(s)`);
  if (unique === true && new Set(values).size < values.length)
    report([], 'repeated value must contain unique items');
  if (items !== undefined)
    values.forEach((value, i) => {
      checkSingle(field, value, items, [i], report);
    });
}

function checkMap(field: FieldSchema, map: Decoded, rules: RuleValues, report: Report): void {
  const { min_pairs, max_pairs, keys, values } = rules as {
    min_pairs?: number;
    max_pairs?: number;
    keys?: FieldRules;
    values?: FieldRules;
  };
  const entries = Object.entries(map);
  if (entries.length < (min_pairs ?? 0)) report([], `value must contain at least ${min_pairs} pair(s)`);
  if (entries.length > (max_pairs ?? Number.POSITIVE_INFINITY))
    report([], `value must contain no more than ${max_pairs} pair(s)`);
  for (const [key, value] of entries) {
    for (const [kind, rule] of Object.entries(keys ?? {})) {
      const broken = brokenRule(kind, key, rule, '');
      if (broken !== null) report([key], broken);
    }
    if (values !== undefined) checkSingle(field, value, values, [key], report);
  }
}

function checkField(field: FieldSchema, value: unknown, report: Report): void {
  const rules = field.rules!;
  if (field.repeated) checkList(field, value as unknown[], rules.repeated ?? {}, report);
  else if (field.mapKey !== null) checkMap(field, value as Decoded, rules.map ?? {}, report);
  else if (value === undefined) {
    if (field.oneof === 0 && isRequired(rules)) report([], 'value is required');
  } else checkSingle(field, value, rules, [], report);
}

const isRequired = (rules: FieldRules): boolean =>
  rules.message?.required === true ||
  rules.duration?.required === true ||
  rules.any?.required === true ||
  rules.timestamp?.required === true;

/** Checks one message's own fields and oneofs, not what is inside them. */
export function checkRules(
  schema: MessageSchema,
  message: Decoded,
  path: (string | number)[],
  problems: Problems,
): void {
  if (schema.unchecked) return;
  for (const field of schema.fields) {
    if (field.rules === null) continue;
    checkField(field, message[field.jsonName], (below, text) => {
      const at = [...path, field.name, ...below];
      if (message[field.jsonName] !== undefined || !problems.hasErrorBelow(at)) problems.error(at, text);
    });
  }
  schema.oneofs.forEach((oneof, i) => {
    if (!oneof.required) return;
    const members = schema.fields.filter(field => field.oneof === i + 1);
    if (members.some(field => message[field.jsonName] !== undefined) || problems.hasErrorBelow(path)) return;
    problems.error(
      path,
      `field: "${oneof.name}", reason: is required`,
      `one of ${members.map(field => field.name).join(', ')}`,
    );
  });
}
