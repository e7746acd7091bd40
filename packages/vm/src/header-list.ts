// A header map for embedders that have none of their own (and for tests): entries in a plain list, values validated.

import type { GuestHeaderMap } from './stream-host.ts';

/** RFC 9110 token, or a pseudo header. */
const NAME = /^:?[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
/** No control characters but tab, and nothing that is no byte. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Entries in order, duplicates kept. Names are lower-cased when they are put in. */
export class HeaderList implements GuestHeaderMap {
  #entries: [string, string][] = [];

  /** Entries with names or values that are not allowed are left out. */
  static from(entries: Iterable<readonly [string, string]> | Readonly<Record<string, string>>): HeaderList {
    const list = new HeaderList();
    const pairs = Symbol.iterator in entries ? entries : Object.entries(entries);
    for (const [name, value] of pairs as Iterable<readonly [string, string]>) list.add(name, value);
    return list;
  }

  get count(): number {
    return this.#entries.length;
  }

  get(name: string): string | undefined {
    return this.#entries.find(entry => entry[0] === name)?.[1];
  }

  set(name: string, value: string): boolean {
    if (!NAME.test(name) || !VALUE.test(value)) return false;
    name = name.toLowerCase();
    const first = this.#entries.find(entry => entry[0] === name);
    if (first === undefined) this.#entries.push([name, value]);
    else {
      first[1] = value;
      this.#entries = this.#entries.filter(entry => entry === first || entry[0] !== name);
    }
    return true;
  }

  add(name: string, value: string): boolean {
    if (!NAME.test(name) || !VALUE.test(value)) return false;
    this.#entries.push([name.toLowerCase(), value]);
    return true;
  }

  remove(name: string): void {
    this.#entries = this.#entries.filter(entry => entry[0] !== name);
  }

  clear(): void {
    this.#entries = [];
  }

  forEach(visit: (name: string, value: string) => void): void {
    for (const [name, value] of this.#entries) visit(name, value);
  }

  /** The entries as they are now. */
  toArray(): [string, string][] {
    return this.#entries.map(([name, value]) => [name, value]);
  }
}
