// Reads Dragoman's own settings out of the node's metadata, value by value; what is wrong is reported with its path and
// left out. Pure.

import type { Node } from '@dragoman/config';

/** `path` inside the bootstrap. */
export type Report = (path: string, message: string) => void;

export type JsonObject = Readonly<Record<string, unknown>>;

const ROOT = 'node.metadata.dragoman';

/** All sections there are. */
const SECTIONS = ['wasm_host', 'wasm_limits', 'wasm_shared_state'] as const;

/** Reports sections that do not exist. */
export function checkDragomanSections(node: Node | undefined, report: Report): void {
  const dragoman = node?.metadata?.dragoman;
  if (typeof dragoman === 'object' && dragoman !== null)
    refuseUnknown(dragoman as JsonObject, SECTIONS, ROOT, report);
}

/** The section node.metadata.dragoman.<name>, and its path. */
export function dragomanSection(
  node: Node | undefined,
  name: (typeof SECTIONS)[number],
  report: Report,
): [JsonObject, string] {
  const dragoman = objectOf(node?.metadata?.dragoman, ROOT, report);
  const path = `${ROOT}.${name}`;
  return [objectOf(dragoman[name], path, report), path];
}

export function objectOf(value: unknown, path: string, report: Report): JsonObject {
  if (value === undefined) return {};
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  report(path, 'expected an object');
  return {};
}

export function wholeNumber(
  value: unknown,
  [min, max]: readonly [number, number],
  path: string,
  report: Report,
): number | undefined {
  if (value === undefined) return undefined;
  if (Number.isInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
  report(path, `expected a whole number from ${min === 0 ? '0 (no limit)' : min} to ${max}`);
  return undefined;
}

export function trueOrFalse(value: unknown, path: string, report: Report): boolean | undefined {
  if (value === undefined || typeof value === 'boolean') return value;
  report(path, 'expected true or false');
  return undefined;
}

export function listOfTexts(value: unknown, path: string, report: Report): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value;
  report(path, 'expected a list of texts');
  return undefined;
}

/** Reports keys that are none of `known`. */
export function refuseUnknown(
  section: JsonObject,
  known: readonly string[],
  path: string,
  report: Report,
): void {
  for (const key of Object.keys(section))
    if (!known.includes(key)) report(`${path}.${key}`, `no such setting; there is ${known.join(', ')}`);
}
