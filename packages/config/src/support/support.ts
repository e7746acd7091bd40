// What the proxy implements, as tables: fields per message, extension types per extension point, and fields that
// are accepted though they do nothing. Whatever the schema knows and these tables do not is refused by name.

/**
 * Supported fields by message. An entry is a field name, or `field=A,B` when only these values of it are; `'*'` for all.
 */
export type FieldTable = Record<string, readonly string[] | '*'>;

/** Accepted and ignored: message, field, why ignoring it is harmless. `*` as the field: the whole message. */
export type HarmlessTable = Record<string, Record<string, string>>;

/** Extension types by category: message name to the names the extension is known by, the canonical one first. */
export type ExtensionTable = Record<string, Record<string, readonly string[]>>;

/** Reports a mistake at a path below the checked message. */
export type ReportMistake = (below: readonly (string | number)[], message: string, hint?: string) => void;

/**
 * Checks one decoded message of a type beyond what the schema says (a script's syntax, for example). Write the type at
 * the parameter: `(policy: CorsPolicy, report) => ...`.
 */
export type MessageCheck = (message: never, report: ReportMistake) => void;

/** A group of support that a package declares for what it implements. */
export interface SupportDeclaration {
  fields?: FieldTable;
  harmless?: HarmlessTable;
  extensions?: ExtensionTable;
  /** By message name. */
  checks?: Record<string, MessageCheck>;
}

/** The union of declarations. */
export class Support {
  readonly checks = new Map<string, MessageCheck[]>();
  /** Allowed values by field, null for any; a message that is missing has no supported field. */
  readonly #fields = new Map<string, '*' | Map<string, ReadonlySet<string> | null>>();
  readonly #harmless = new Map<string, string>();
  readonly #extensions = new Map<string, Map<string, readonly string[]>>();

  constructor(declarations: readonly SupportDeclaration[]) {
    for (const declaration of declarations) {
      for (const [message, fields] of Object.entries(declaration.fields ?? {}))
        this.#addFields(message, fields);
      for (const [message, reasons] of Object.entries(declaration.harmless ?? {})) {
        for (const [field, reason] of Object.entries(reasons))
          this.#harmless.set(`${message}.${field}`, reason);
      }
      for (const [category, types] of Object.entries(declaration.extensions ?? {})) {
        const known = this.#extensions.get(category) ?? new Map<string, readonly string[]>();
        for (const [type, names] of Object.entries(types)) known.set(type, names);
        this.#extensions.set(category, known);
      }
      for (const [message, check] of Object.entries(declaration.checks ?? {})) {
        this.checks.set(message, [...(this.checks.get(message) ?? []), check]);
      }
    }
  }

  #addFields(message: string, fields: readonly string[] | '*'): void {
    const known = this.#fields.get(message);
    if (fields === '*' || known === '*') {
      this.#fields.set(message, '*');
      return;
    }
    const table = known ?? new Map<string, ReadonlySet<string> | null>();
    for (const entry of fields) {
      const [field, values] = entry.split('=') as [string, string?];
      const earlier = table.get(field);
      if (values === undefined || earlier === null) table.set(field, null);
      else table.set(field, new Set([...(earlier ?? []), ...values.split(',')]));
    }
    this.#fields.set(message, table);
  }

  /** Whether the field is implemented with this value; for lists and maps ask with each item. */
  implements(message: string, field: string, value: unknown): boolean {
    const fields = this.#fields.get(message);
    if (fields === undefined) return false;
    if (fields === '*') return true;
    const values = fields.get(field);
    return values === null || (values?.has(String(value)) ?? false);
  }

  /** The implemented values of a field, when only some are. */
  valuesOf(message: string, field: string): string[] {
    const fields = this.#fields.get(message);
    return fields === undefined || fields === '*' ? [] : [...(fields.get(field) ?? [])];
  }

  /** Why the field may be ignored, or null. */
  harmlessReason(message: string, field: string): string | null {
    return this.#harmless.get(`${message}.${field}`) ?? this.#harmless.get(`${message}.*`) ?? null;
  }

  /** The names of an extension type in a category, null when it is not implemented there. */
  extensionNames(category: string, typeName: string): readonly string[] | null {
    return this.#extensions.get(category)?.get(typeName) ?? null;
  }

  /** The type that is known by `name` in a category, or null. */
  typeByName(category: string, name: string): string | null {
    for (const [type, names] of this.#extensions.get(category) ?? []) if (names.includes(name)) return type;
    return null;
  }

  /** Canonical names of all extensions of a category. */
  namesIn(category: string): string[] {
    return [...(this.#extensions.get(category)?.values() ?? [])].flatMap(names => names.slice(0, 1));
  }
}
