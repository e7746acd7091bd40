// Foreign functions expr_create, expr_evaluate and expr_delete: CEL expressions that a plugin compiles once and evaluates on
// its streams (ABI reference 7.9). Expressions belong to the root; they see the attributes of the context in force.

import { Status } from '@dragoman/abi';
import {
  type Context,
  encodeProperty,
  type ForeignFunction,
  type ForeignResult,
  type PropertyValue,
} from '@dragoman/vm';
import {
  CelEvaluationError,
  CelExpression,
  CelFunctionError,
  CelSyntaxError,
} from '../../cel/cel-expression.ts';
import type { ExpressionSource } from '../../cel/cel-values.ts';
import { declarationOf, WasmType } from './property-declarations.ts';

/** Expressions of one root at the same time: a plugin that makes one per request runs into this, not out of memory. */
const MAX_EXPRESSIONS = 10_000;
const TOKEN_BYTES = 4;

interface RootExpressions {
  readonly byToken: Map<number, CelExpression>;
  /** Tokens are not given twice. */
  nextToken: number;
}

const EXPRESSIONS = new WeakMap<object, RootExpressions>();

const answer = (status: Status, result: Uint8Array | null = null): ForeignResult => ({ status, result });

function expressionsOf({ root, vm }: Context): RootExpressions {
  const owner = root ?? vm;
  let expressions = EXPRESSIONS.get(owner);
  if (expressions === undefined) EXPRESSIONS.set(owner, (expressions = { byToken: new Map(), nextToken: 0 }));
  return expressions;
}

/** The text of an expression; the result is its token, u32. */
const create: ForeignFunction = (args, context) => {
  const expressions = expressionsOf(context);
  if (expressions.byToken.size >= MAX_EXPRESSIONS) return answer(Status.InternalFailure);
  try {
    const expression = new CelExpression(args.toString('utf8'));
    const token = expressions.nextToken++;
    expressions.byToken.set(token, expression);
    const result = Buffer.alloc(TOKEN_BYTES);
    result.writeUInt32LE(token);
    return answer(Status.Ok, result);
  } catch (error) {
    if (!(error instanceof CelSyntaxError)) throw error;
    // As in Envoy, where this comes to light once the token has been chosen.
    if (error instanceof CelFunctionError) expressions.nextToken++;
    context.vm.logError(`expr_create: ${error.message}`);
    return answer(Status.BadArgument);
  }
};

/** A token; the result is the value, encoded as a property is. */
const evaluate: ForeignFunction = (args, context) => {
  if (args.length !== TOKEN_BYTES) return answer(Status.BadArgument);
  const expression = expressionsOf(context).byToken.get(args.readUInt32LE(0));
  if (expression === undefined) return answer(Status.NotFound);
  try {
    const bytes = encodeProperty(expression.evaluate(sourceOf(context)));
    return bytes === null ? answer(Status.SerializationFailure) : answer(Status.Ok, bytes);
  } catch (error) {
    if (!(error instanceof CelEvaluationError)) throw error;
    return answer(Status.InternalFailure);
  }
};

/** A token; one that is unknown is no mistake. */
const remove: ForeignFunction = (args, context) => {
  if (args.length !== TOKEN_BYTES) return answer(Status.BadArgument);
  expressionsOf(context).byToken.delete(args.readUInt32LE(0));
  return answer(Status.Ok);
};

const sourceOf = (context: Context): ExpressionSource => ({
  value: path => attribute(context, path),
  isText: name => declarationOf(context.root, name).type === WasmType.String,
});

function attribute({ vm, root, stream }: Context, path: readonly string[]): PropertyValue {
  if (root !== null && path.length === 1) {
    if (path[0] === 'plugin_name') return root.nameBytes;
    if (path[0] === 'plugin_root_id') return root.rootIdBytes;
    if (path[0] === 'plugin_vm_id') return root.vmIdBytes;
  }
  if (stream !== null) return stream.host?.getProperty(path);
  return vm.host.getProperty(root, path);
}

export const expressionFunctions: ReadonlyMap<string, ForeignFunction> = new Map([
  ['expr_create', create],
  ['expr_evaluate', evaluate],
  ['expr_delete', remove],
]);
