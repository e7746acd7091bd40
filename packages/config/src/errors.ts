// What can be wrong with a configuration, as data: where it is, what is wrong, what would be right. Mistakes are
// collected, not thrown, so that one run reports all of them; only a broken installation throws.

import { DragomanError } from '@dragoman/base';

/** One mistake (or, as a warning, one oddity) in a configuration. */
export interface ConfigError {
  /** The file as it was named, `<config-yaml>` for text from the command line, or a resource's name in xDS. */
  file: string;
  /** 1-based; 0 when the place is not in the text. */
  line: number;
  column: number;
  /** The field in proto names: `static_resources.listeners[0].filter_chains[0]`; '' for the whole file. */
  path: string;
  /** What is wrong, in Envoy's words where Envoy has words for it. */
  message: string;
  /** What would be accepted here, or ''. */
  expected: string;
  /** What to do about it, or ''. */
  hint: string;
}

/** A field's place: proto field names, list indexes, map keys. */
export type ConfigPath = readonly (string | number)[];

/** A line and a column, 1-based. */
export interface Position {
  line: number;
  column: number;
}

/** A mistake by path; its place in the text is found when the run is over, unless `position` says it (syntax). */
export interface Problem {
  path: ConfigPath;
  position: Position | null;
  message: string;
  expected: string;
  hint: string;
  warning: boolean;
}

/** Where the decoder, the validator and the checks report to. */
export class Problems {
  readonly list: Problem[] = [];

  error(path: ConfigPath, message: string, expected = '', hint = ''): void {
    this.list.push({ path: [...path], position: null, message, expected, hint, warning: false });
  }

  /** A mistake in the text itself, before there are paths. */
  syntaxError(position: Position, message: string, hint = ''): void {
    this.list.push({ path: [], position, message, expected: '', hint, warning: false });
  }

  warn(path: ConfigPath, message: string, hint = ''): void {
    this.list.push({ path: [...path], position: null, message, expected: '', hint, warning: true });
  }

  /** Whether a mistake is known at `path` or below it: then what is missing there is no second mistake. */
  hasErrorBelow(path: ConfigPath): boolean {
    return this.list.some(problem => !problem.warning && path.every((part, i) => problem.path[i] === part));
  }

  get failed(): boolean {
    return this.list.some(problem => !problem.warning);
  }
}

/** `static_resources.clusters[0].name`. Map keys that are not plain names are quoted. */
export function formatPath(path: ConfigPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** The error a problem is, once its place is known. */
export function configErrorAt(problem: Problem, place: { file: string } & Position): ConfigError {
  const { message, expected, hint } = problem;
  return { ...place, path: formatPath(problem.path), message, expected, hint };
}

/** One line: `envoy.yaml:12:7: static_resources.clusters[0].type: unknown enum value: 'NOPE' (expected ...)`. */
export function formatConfigError(error: ConfigError): string {
  const place = error.line > 0 ? `${error.file}:${error.line}:${error.column}` : error.file;
  const path = error.path === '' ? '' : ` ${error.path}:`;
  const expected = error.expected === '' ? '' : ` (expected ${error.expected})`;
  const hint = error.hint === '' ? '' : `; ${error.hint}`;
  return `${place}:${path} ${error.message}${expected}${hint}`.replaceAll('\n', ' ');
}

/** The descriptor files were not made: ERR_DRAGOMAN_DESCRIPTOR_MISSING. */
export function descriptorMissing(file: string, cause: unknown): DragomanError {
  return new DragomanError(
    'DESCRIPTOR_MISSING',
    `${file} is missing: run \`npm run prepare\` to compile it`,
    { cause },
  );
}
