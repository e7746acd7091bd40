// Header names in another case than lower: as words ("Content-Type"), or as they came ("CONTENT-type"). Maps keep names in
// lower case; this changes the text of a head on its way out, for peers that cannot do with that.

import { isHeaderName } from './header-validation.ts';

/** How the names of one head are written. */
export interface HeaderCase {
  /** The reason phrase that came with a response; '' = the usual one. */
  readonly reason: string;
  nameOf(lowerCaseName: string): string;
}

export const PROPER_CASE: HeaderCase = {
  reason: '',
  nameOf: name => name.replaceAll(/(^|-)[a-z]/g, text => text.toUpperCase()),
};

/** Names as they came in a head; of several spellings the first. Others are written by `others`, or in lower case. */
export class PreservedCase implements HeaderCase {
  readonly reason: string;
  readonly #names = new Map<string, string>();
  readonly #others: HeaderCase | null;

  /** `head` is the text of a head that has been parsed without a mistake, before its names were made lower-case. */
  constructor(head: string, others: HeaderCase | null, keepsReason: boolean) {
    const lines = head.split('\r\n');
    this.#others = others;
    this.reason = keepsReason ? (/^HTTP\/1\.[01] \d{3} (.+)$/.exec(lines[0])?.[1] ?? '') : '';
    for (let i = 1; i < lines.length; i++) {
      const name = lines[i].slice(0, lines[i].indexOf(':'));
      const lower = name.toLowerCase();
      if (isHeaderName(lower) && !this.#names.has(lower)) this.#names.set(lower, name);
    }
  }

  nameOf(name: string): string {
    return this.#names.get(name) ?? this.#others?.nameOf(name) ?? name;
  }
}

/** Rewrites the names in the lines of `head`, a start line and header lines; `headerCase` null changes nothing. */
export function withHeaderCase(head: string, headerCase: HeaderCase | null): string {
  if (headerCase === null) return head;
  const lines = head.split('\r\n');
  if (headerCase.reason !== '')
    lines[0] = lines[0].replace(/^(HTTP\/1\.[01] \d{3}) .*$/, (_, start) => `${start} ${headerCase.reason}`);
  for (let i = 1; i < lines.length; i++) {
    const colon = lines[i].indexOf(':');
    if (colon > 0) lines[i] = headerCase.nameOf(lines[i].slice(0, colon)) + lines[i].slice(colon);
  }
  return lines.join('\r\n');
}
