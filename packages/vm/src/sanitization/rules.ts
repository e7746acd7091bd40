// What a plugin may reach through the host calls it may make: Dragoman's own rules, for which Envoy has a place
// (SanitizationConfig in a capability restriction) and no content yet. Plain data.

/**
 * Lists of names; one that ends with "*" stands for everything that begins so. An absent list allows everything, an empty
 * one nothing.
 */
export interface SanitizationRules {
  /** Headers and trailers of requests and responses, in lower case; also where properties show them. */
  readonly readHeaders?: readonly string[];
  readonly writeHeaders?: readonly string[];
  /** Clusters of HTTP and gRPC calls. */
  readonly clusters?: readonly string[];
  /** Paths with dots between their parts: "request.path", "metadata.*". The plugin's own name and ids are always readable. */
  readonly readProperties?: readonly string[];
  readonly writeProperties?: readonly string[];
  /** Keys of shared data, both ways. */
  readonly sharedData?: readonly string[];
  /** Absent: all; or, next to any other list, those that reach nothing of what the lists are about. */
  readonly foreignFunctions?: readonly string[];
}

/** Names that are allowed: exact ones, and beginnings. */
export class NamePatterns {
  readonly #names = new Set<string>();
  readonly #beginnings: string[] = [];

  constructor(patterns: Iterable<string>) {
    for (const pattern of patterns) {
      // Guests' names are compared as bytes.
      const bytes = Buffer.from(pattern, 'utf8').toString('latin1');
      if (bytes.endsWith('*')) this.#beginnings.push(bytes.slice(0, -1));
      else this.#names.add(bytes);
    }
  }

  /** `name` has one char per byte. */
  allows(name: string): boolean {
    return this.#names.has(name) || this.#beginnings.some(beginning => name.startsWith(beginning));
  }
}
