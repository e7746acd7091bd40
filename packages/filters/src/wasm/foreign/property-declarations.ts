// Foreign function declare_property: how long the values that a plugin sets live, and whether they can be set again
// (ABI reference 7.9, 8.5). Envoy looks for declarations at the plugin's root only.

import { Status } from '@dragoman/abi';
import { type Context, type ForeignFunction, ProtobufError, readBytesFields } from '@dragoman/vm';

/** As Envoy's enum LifeSpan counts; other numbers mean the filter chain. */
export const LifeSpan = { FilterChain: 0, DownstreamRequest: 1, DownstreamConnection: 2 } as const;

/** As Envoy's enum WasmType counts. */
export const WasmType = { Bytes: 0, String: 1, FlatBuffers: 2, Protobuf: 3 } as const;

export interface PropertyDeclaration {
  readonly readonly: boolean;
  /** A WasmType: what the value is in expressions. */
  readonly type: number;
  /** A LifeSpan. */
  readonly span: number;
}

interface Declarations {
  /** Of the context: objects of streams are used again under another id. */
  readonly contextId: number;
  readonly byName: Map<string, PropertyDeclaration>;
}

const DECLARED = new WeakMap<Context, Declarations>();
const UNDECLARED: PropertyDeclaration = {
  readonly: false,
  type: WasmType.Bytes,
  span: LifeSpan.FilterChain,
};

/** What `root` has declared of the property `name`, which is the guest's raw path. */
export function declarationOf(root: Context | null, name: string): PropertyDeclaration {
  return (root === null ? undefined : DECLARED.get(root)?.byName.get(name)) ?? UNDECLARED;
}

/** DeclarePropertyArguments: name 1, readonly 2, type 3, schema 4, span 5. A name can be declared once. */
export const declareProperty: ForeignFunction = (args, context) => {
  try {
    const fields = readBytesFields(args);
    const name = fields.get(1)?.toString('latin1') ?? '';
    const declared = declarationsOf(context);
    if (declared.has(name)) return { status: Status.BadArgument, result: null };
    declared.set(name, {
      readonly: Number(fields.get(2) ?? 0) !== 0,
      type: Number(fields.get(3) ?? 0),
      span: Number(fields.get(5) ?? 0),
    });
    return { status: Status.Ok, result: null };
  } catch (error) {
    if (error instanceof ProtobufError) return { status: Status.BadArgument, result: null };
    throw error;
  }
};

function declarationsOf(context: Context): Map<string, PropertyDeclaration> {
  const known = DECLARED.get(context);
  if (known !== undefined && known.contextId === context.id) return known.byName;
  const byName = new Map<string, PropertyDeclaration>();
  DECLARED.set(context, { contextId: context.id, byName });
  return byName;
}
