// An expression in the Common Expression Language over the attributes of a stream. The language is the library's; what the
// variables are is ours.

import type { PropertyValue } from '@dragoman/vm';
import { celLibrary } from './cel-library.ts';
import { type AttributeSource, fromCel, rootVariable } from './cel-values.ts';

/** Longest text of an expression. */
export const MAX_EXPRESSION_BYTES = 64 * 1024;

/** Roots of the attribute tree, the variables of expressions. */
const ROOTS = [
  'request',
  'response',
  'connection',
  'upstream',
  'source',
  'destination',
  'metadata',
  'filter_state',
  'upstream_filter_state',
  'xds',
  'plugin_name',
  'plugin_root_id',
  'plugin_vm_id',
  'connection_id',
] as const;

/** An expression that does not compile. */
export class CelSyntaxError extends Error {}

/** An expression that came to no value: a field that is not there, a division by zero, types that do not go together. */
export class CelEvaluationError extends Error {}

export class CelExpression {
  readonly #plan: (bindings: Record<string, never>) => unknown;
  /** Only the roots that the text mentions are looked up. */
  readonly #roots: readonly string[];

  /** @throws CelSyntaxError saying what is wrong and where. */
  constructor(text: string) {
    if (Buffer.byteLength(text) > MAX_EXPRESSION_BYTES)
      throw new CelSyntaxError(`the expression is longer than ${MAX_EXPRESSION_BYTES} bytes`);
    const { cel, environment } = celLibrary();
    try {
      this.#plan = cel.plan(environment, cel.parse(text)) as (bindings: Record<string, never>) => unknown;
    } catch (cause) {
      throw new CelSyntaxError((cause as Error).message, { cause });
    }
    this.#roots = ROOTS.filter(root => new RegExp(`\\b${root}\\b`).test(text));
  }

  /** The value as plugins get attributes; null: it has no encoding. @throws CelEvaluationError */
  evaluate(source: AttributeSource): PropertyValue {
    const library = celLibrary();
    const bindings: Record<string, unknown> = {};
    for (const root of this.#roots) bindings[root] = rootVariable(root, source);
    const value = this.#plan(bindings as Record<string, never>);
    if (library.cel.isCelError(value)) throw new CelEvaluationError(value.message);
    return fromCel(value, library);
  }
}
