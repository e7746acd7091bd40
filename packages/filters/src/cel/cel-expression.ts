// An expression in the Common Expression Language over the attributes of a stream. The language is the library's; what the
// variables are is ours.

import type { PropertyValue } from '@dragoman/vm';
import { type CelLibrary, celLibrary } from './cel-library.ts';
import { type ExpressionSource, fromCel, rootVariable } from './cel-values.ts';

/** Longest text of an expression. */
export const MAX_EXPRESSION_BYTES = 64 * 1024;

/** An expression that does not compile. */
export class CelSyntaxError extends Error {}

/** An expression that calls a function that nobody knows, by whatever arguments. */
export class CelFunctionError extends CelSyntaxError {}

/** An expression that came to no value: a field that is not there, a division by zero, types that do not go together. */
export class CelEvaluationError extends Error {}

export class CelExpression {
  readonly #plan: (bindings: Record<string, never>) => unknown;
  /** Names that stand for values: only these are looked up. */
  readonly #names: ReadonlySet<string>;

  /** @throws CelSyntaxError saying what is wrong and where. */
  constructor(text: string) {
    if (Buffer.byteLength(text) > MAX_EXPRESSION_BYTES)
      throw new CelSyntaxError(`the expression is longer than ${MAX_EXPRESSION_BYTES} bytes`);
    const library = celLibrary();
    const { cel, environment } = library;
    const words: Words = { names: new Set(), functions: new Set() };
    try {
      const parsed = cel.parse(text);
      collectWords(parsed.expr, words);
      this.#plan = cel.plan(environment, parsed) as (bindings: Record<string, never>) => unknown;
    } catch (cause) {
      throw new CelSyntaxError((cause as Error).message, { cause });
    }
    refuseUnknown(words.functions, library);
    this.#names = words.names;
  }

  /** The value as plugins get attributes; null: it has no encoding. @throws CelEvaluationError */
  evaluate(source: ExpressionSource): PropertyValue {
    const library = celLibrary();
    const bindings: Record<string, unknown> = Object.create(null);
    for (const name of this.#names) {
      const value = rootVariable(name, source);
      if (value !== undefined) bindings[name] = value;
    }
    const value = this.#plan(bindings as Record<string, never>);
    if (library.cel.isCelError(value)) throw new CelEvaluationError(value.message);
    return fromCel(value, library);
  }
}

interface Words {
  readonly names: Set<string>;
  readonly functions: Set<string>;
}

/** The names of values and functions anywhere in a parsed expression. */
function collectWords(node: unknown, words: Words): void {
  if (typeof node !== 'object' || node === null) return;
  const { $typeName, name, function: called } = node as Record<string, unknown>;
  if ($typeName === 'cel.expr.Expr.Ident') words.names.add(name as string);
  if ($typeName === 'cel.expr.Expr.Call') words.functions.add(called as string);
  for (const part of Object.values(node)) collectWords(part, words);
}

/** Operators have names that are no words, such as _&&_; the library has them all. */
function refuseUnknown(functions: ReadonlySet<string>, { environment }: CelLibrary): void {
  for (const name of functions)
    if (/^\w+$/.test(name) && environment.funcs.find(name) === undefined)
      throw new CelFunctionError(`there is no function ${name}`);
}
