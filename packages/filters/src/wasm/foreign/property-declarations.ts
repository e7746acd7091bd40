// Foreign function declare_property: how long the values that a plugin sets live, and whether they can be set again
// (ABI reference 7.9, 8.5). Envoy looks for declarations at the plugin's root only.

import { Status } from '@dragoman/abi';
import { type Context, type ForeignFunction, ProtobufError, readBytesFields } from '@dragoman/vm';

/** As Envoy's enum LifeSpan counts; other numbers mean the filter chain. */
export const LifeSpan = { FilterChain: 0, DownstreamRequest: 1, DownstreamConnection: 2 } as const;

export interface PropertyDeclaration {
  readonly readonly: boolean;
  /** A LifeSpan. */
  readonly span: number;
}

const DECLARED = new WeakMap<Context, Map<string, PropertyDeclaration>>();
const UNDECLARED: PropertyDeclaration = { readonly: false, span: LifeSpan.FilterChain };

/** What `root` has declared of the property `name`, which is the guest's raw path. */
export function declarationOf(root: Context | null, name: string): PropertyDeclaration {
  return (root === null ? undefined : DECLARED.get(root)?.get(name)) ?? UNDECLARED;
}

/** DeclarePropertyArguments: name 1, readonly 2, type 3, schema 4, span 5. A name can be declared once. */
export const declareProperty: ForeignFunction = (args, context) => {
  try {
    const fields = readBytesFields(args);
    const name = fields.get(1)?.toString('latin1') ?? '';
    let declared = DECLARED.get(context);
    if (declared === undefined) DECLARED.set(context, (declared = new Map()));
    if (declared.has(name)) return { status: Status.BadArgument, result: null };
    declared.set(name, { readonly: Number(fields.get(2) ?? 0) !== 0, span: Number(fields.get(5) ?? 0) });
    return { status: Status.Ok, result: null };
  } catch (error) {
    if (error instanceof ProtobufError) return { status: Status.BadArgument, result: null };
    throw error;
  }
};
