// A header map as a guest with rules for headers sees it: hidden headers are absent, those it may not change stay.

import type { GuestHeaderMap } from '../stream-host.ts';

export interface HeaderRules {
  showsHeader(name: string): boolean;
  mayWriteHeader(name: string): boolean;
  noteRefusedHeader(name: string): void;
}

/** One for all maps of a VM: `map` is set before each use. */
export class SanitizedHeaders implements GuestHeaderMap {
  map!: GuestHeaderMap;
  readonly #rules: HeaderRules;

  constructor(rules: HeaderRules) {
    this.#rules = rules;
  }

  get count(): number {
    let count = 0;
    this.forEach(() => {
      count++;
    });
    return count;
  }

  get(name: string): string | undefined {
    return this.#rules.showsHeader(name) ? this.map.get(name) : undefined;
  }

  set(name: string, value: string): boolean {
    if (this.#rules.mayWriteHeader(name)) return this.map.set(name, value);
    return this.#isThere(name, value);
  }

  add(name: string, value: string): boolean {
    if (this.#rules.mayWriteHeader(name)) return this.map.add(name, value);
    return this.#isThere(name, value);
  }

  remove(name: string): void {
    if (this.#rules.mayWriteHeader(name)) this.map.remove(name);
    else this.#rules.noteRefusedHeader(name);
  }

  /** Comes before all is written anew, which says what is refused. */
  clear(): void {
    const names = new Set<string>();
    this.forEach(name => void names.add(name));
    for (const name of names) if (this.#rules.mayWriteHeader(name)) this.map.remove(name);
  }

  forEach(visit: (name: string, value: string) => void): void {
    this.map.forEach((name, value) => {
      if (this.#rules.showsHeader(name)) visit(name, value);
    });
  }

  /** A plugin that writes back what it has read changes nothing, and is not refused. */
  #isThere(name: string, value: string): boolean {
    let found = false;
    this.forEach((otherName, otherValue) => {
      if (otherName === name && otherValue === value) found = true;
    });
    if (!found) this.#rules.noteRefusedHeader(name);
    return found;
  }
}
