// Which virtual host a Host header belongs to: exact names, then suffixes ("*.test"), then prefixes ("test.*"), the
// longest first, then "*". Built once per route table.

import { DragomanError } from '@dragoman/base';

/** Wildcards of one kind, by the length of their fixed text, the longest first. */
class WildcardTable<Target> {
  readonly #byLength = new Map<number, Map<string, Target>>();
  #lengths: readonly number[] = [];

  /** False when the text is there already. */
  add(text: string, target: Target): boolean {
    let texts = this.#byLength.get(text.length);
    if (texts === undefined) {
      texts = new Map();
      this.#byLength.set(text.length, texts);
      this.#lengths = [...this.#byLength.keys()].sort((a, b) => b - a);
    }
    if (texts.has(text)) return false;
    texts.set(text, target);
    return true;
  }

  /** The wildcard has to stand for at least one character. */
  find(host: string, suffix: boolean): Target | undefined {
    for (let i = 0; i < this.#lengths.length; i++) {
      const length = this.#lengths[i];
      if (host.length <= length) continue;
      const text = suffix ? host.substring(host.length - length) : host.substring(0, length);
      const target = this.#byLength.get(length)?.get(text);
      if (target !== undefined) return target;
    }
    return undefined;
  }
}

export class DomainTable<Target> {
  readonly #exact = new Map<string, Target>();
  readonly #suffixes = new WildcardTable<Target>();
  readonly #prefixes = new WildcardTable<Target>();
  #any: Target | null = null;
  #onlyAny = true;
  readonly #ignorePort: boolean;
  readonly #tableName: string;

  constructor(tableName: string, ignorePort: boolean) {
    this.#tableName = tableName;
    this.#ignorePort = ignorePort;
  }

  /** @throws DragomanError ROUTE_DOMAIN for a domain that is taken. */
  add(configured: string, target: Target): void {
    const domain = configured.toLowerCase();
    if (domain === '*') {
      if (this.#any !== null)
        throw new DragomanError(
          'ROUTE_DOMAIN',
          `Only a single wildcard domain is permitted in route ${this.#tableName}`,
        );
      this.#any = target;
      return;
    }
    this.#onlyAny = false;
    if (!this.#addNamed(domain, target))
      throw new DragomanError(
        'ROUTE_DOMAIN',
        `Only unique values for domains are permitted. Duplicate entry of domain ${configured} in route ${this.#tableName}`,
      );
  }

  #addNamed(domain: string, target: Target): boolean {
    if (domain.startsWith('*')) return this.#suffixes.add(domain.slice(1), target);
    if (domain.endsWith('*')) return this.#prefixes.add(domain.slice(0, -1), target);
    if (this.#exact.has(domain)) return false;
    this.#exact.set(domain, target);
    return true;
  }

  /** The target for a Host header; null when no domain matches. */
  find(authority: string): Target | null {
    if (this.#onlyAny) return this.#any;
    if (authority === '') return null;
    let host = authority.toLowerCase();
    if (this.#ignorePort) host = withoutPort(host);
    return (
      this.#exact.get(host) ??
      this.#suffixes.find(host, true) ??
      this.#prefixes.find(host, false) ??
      this.#any
    );
  }
}

function withoutPort(host: string): string {
  const colon = host.lastIndexOf(':');
  if (colon < 0 || host.lastIndexOf(']') > colon) return host;
  return host.substring(0, colon);
}
