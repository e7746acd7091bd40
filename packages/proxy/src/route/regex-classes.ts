// Character classes of RE2 syntax: sets of code point ranges and Unicode properties, and how a JavaScript regular
// expression spells them. Only the translation in regex-translation.ts uses this.

/** Code point ranges, both ends included. */
type Range = readonly [number, number];

const MAX_CODE_POINT = 0x10ffff;
const LONGEST_FOLDED_RANGE = 0x800;

export const DIGITS: readonly Range[] = [[0x30, 0x39]];
export const SPACES: readonly Range[] = [
  [0x09, 0x0a],
  [0x0c, 0x0d],
  [0x20, 0x20],
];
export const WORD_CHARACTERS: readonly Range[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];

/** `[:name:]` of POSIX bracket expressions; ASCII only, as in RE2. */
export const POSIX_CLASSES: Readonly<Record<string, readonly Range[]>> = {
  alnum: [
    [0x30, 0x39],
    [0x41, 0x5a],
    [0x61, 0x7a],
  ],
  alpha: [
    [0x41, 0x5a],
    [0x61, 0x7a],
  ],
  ascii: [[0, 0x7f]],
  blank: [
    [0x09, 0x09],
    [0x20, 0x20],
  ],
  cntrl: [
    [0, 0x1f],
    [0x7f, 0x7f],
  ],
  digit: DIGITS,
  graph: [[0x21, 0x7e]],
  lower: [[0x61, 0x7a]],
  print: [[0x20, 0x7e]],
  punct: [
    [0x21, 0x2f],
    [0x3a, 0x40],
    [0x5b, 0x60],
    [0x7b, 0x7e],
  ],
  space: [
    [0x09, 0x0d],
    [0x20, 0x20],
  ],
  upper: [[0x41, 0x5a]],
  word: WORD_CHARACTERS,
  xdigit: [
    [0x30, 0x39],
    [0x41, 0x46],
    [0x61, 0x66],
  ],
};

export function complement(ranges: readonly Range[]): Range[] {
  const out: Range[] = [];
  let next = 0;
  for (const [low, high] of merged(ranges)) {
    if (low > next) out.push([next, low - 1]);
    next = high + 1;
  }
  if (next <= MAX_CODE_POINT) out.push([next, MAX_CODE_POINT]);
  return out;
}

function merged(ranges: readonly Range[]): Range[] {
  const out: [number, number][] = [];
  for (const [low, high] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = out.at(-1);
    if (last !== undefined && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else out.push([low, high]);
  }
  return out;
}

/** The other cases of one code point (RE2 folds K with the Kelvin sign and s with the long s). */
function otherCases(codePoint: number): number[] {
  const text = String.fromCodePoint(codePoint);
  const cases = [text.toLowerCase(), text.toUpperCase()];
  if (cases[0] === 'k') cases.push('\u212a');
  if (cases[0] === 's') cases.push('\u017f');
  return cases
    .filter(other => other !== text && [...other].length === 1)
    .map(other => other.codePointAt(0) ?? codePoint);
}

/** One spelling per code point that is safe inside and outside of brackets, with and without the u flag. */
export function escaped(codePoint: number): string {
  if (/[0-9A-Za-z_/]/.test(String.fromCodePoint(codePoint))) return String.fromCodePoint(codePoint);
  if (codePoint <= 0xff) return `\\x${codePoint.toString(16).padStart(2, '0')}`;
  if (codePoint <= 0xffff) return `\\u${codePoint.toString(16).padStart(4, '0')}`;
  return `\\u{${codePoint.toString(16)}}`;
}

/** A character class while it is being read. */
export class CharacterClass {
  #ranges: Range[] = [];
  #properties: string[] = [];

  /** A JavaScript expression with this class needs the u flag. */
  get needsUnicode(): boolean {
    return this.#properties.length > 0 || this.#ranges.some(([low]) => low > 0xffff);
  }

  add(low: number, high: number, foldCase: boolean): void {
    this.#ranges.push([low, high]);
    if (!foldCase || high - low > LONGEST_FOLDED_RANGE) return;
    for (let codePoint = low; codePoint <= high; codePoint++)
      for (const other of otherCases(codePoint)) this.#ranges.push([other, other]);
  }

  addRanges(ranges: readonly Range[], foldCase: boolean): void {
    for (const [low, high] of ranges) this.add(low, high, foldCase);
  }

  /** `name` is a general category or a script; "Any" is every code point. */
  addProperty(name: string, negated: boolean): void {
    if (name === 'Any') {
      if (!negated) this.#ranges.push([0, MAX_CODE_POINT]);
      return;
    }
    const property = /^[CLMNPSZ][a-z]?$/.test(name) ? name : `Script=${name}`;
    this.#properties.push(`\\${negated ? 'P' : 'p'}{${property}}`);
  }

  /** The class as JavaScript writes it; without the u flag everything above the BMP is left out. */
  source(negated: boolean): string {
    let text = '';
    for (const [low, high] of merged(this.#ranges)) {
      if (low > 0xffff && !this.needsUnicode) continue;
      const end = this.needsUnicode ? high : Math.min(high, 0xffff);
      text += low === end ? escaped(low) : `${escaped(low)}-${escaped(end)}`;
    }
    return `[${negated ? '^' : ''}${text}${this.#properties.join('')}]`;
  }
}
