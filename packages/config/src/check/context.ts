// What the checks that look beyond one value know: the clusters of the file and the caller's hooks.

import type { Problems } from '../errors.ts';
import type { TypeCheck } from './walker.ts';

/** Explains what is wrong with a substitution format string (`%REQ(X)%`), or returns null. */
export type FormatStringCheck = (format: string) => string | null;

/** Shared by the checks of one run. */
export interface CheckContext {
  problems: Problems;
  /** Names of the static clusters, or null when clusters are not known (a resource on its own). */
  clusterNames: ReadonlySet<string> | null;
  checkFormatString: FormatStringCheck | null;
  /** Whether files and environment variables that the configuration names must exist. */
  checkFiles: boolean;
}

/** Checks by message type, ready for the Walker. */
export type TypeChecks = Record<string, TypeCheck>;

/** Merges tables of checks; two checks of one type both run. */
export function joinChecks(tables: readonly TypeChecks[]): Map<string, TypeCheck[]> {
  const joined = new Map<string, TypeCheck[]>();
  for (const table of tables) {
    for (const [type, check] of Object.entries(table)) joined.set(type, [...(joined.get(type) ?? []), check]);
  }
  return joined;
}
