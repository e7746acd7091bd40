// From RE2 syntax to a JavaScript regular expression of the same meaning. The pattern has been checked to be RE2
// before; nothing here reports errors. Flags are resolved character by character, so the result needs none but u.

import {
  CharacterClass,
  complement,
  DIGITS,
  escaped,
  POSIX_CLASSES,
  SPACES,
  WORD_CHARACTERS,
} from './regex-classes.ts';

/** The flags in force at one point of the pattern: (?i), (?m), (?s), (?U). */
interface Flags {
  foldCase: boolean;
  multiLine: boolean;
  dotAll: boolean;
  ungreedy: boolean;
}

export interface JavaScriptRegex {
  readonly source: string;
  /** 'u' or ''. */
  readonly flags: string;
}

const ESCAPED_CONTROLS: Readonly<Record<string, number>> = { a: 7, f: 12, t: 9, n: 10, r: 13, v: 11 };
const QUANTIFIER = /(?:[*+?]|\{\d+(?:,\d*)?\})\??/y;
const PROPERTY = /\\([pP])(?:\{(\^?)([^}]+)\}|(.))/y;
const NUMBER_ESCAPE = /\\(?:x\{([0-9a-fA-F]+)\}|x([0-9a-fA-F]{2})|([0-7]{1,3}))/y;
const GROUP = /\(\?(?:P?<[^>]+>|([imsU]*)(?:-([imsU]+))?([:)]))/y;
const POSIX = /\[:(\^?)([a-z]+):\]/y;

class Translator {
  readonly #pattern: string;
  #at = 0;
  #unicode = false;

  constructor(pattern: string) {
    this.#pattern = pattern;
  }

  translate(): JavaScriptRegex {
    const source = this.#group({ foldCase: false, multiLine: false, dotAll: false, ungreedy: false });
    return { source, flags: this.#unicode ? 'u' : '' };
  }

  /** Everything up to the group's closing bracket or the end; `flags` belongs to this group. */
  #group(flags: Flags): string {
    let out = '';
    while (this.#at < this.#pattern.length) {
      const character = this.#pattern[this.#at];
      if (character === ')') break;
      if (character === '|') {
        out += '|';
        this.#at++;
        continue;
      }
      out += this.#piece(flags);
    }
    return out;
  }

  /** One atom with its quantifier, or a change of flags, which writes nothing. */
  #piece(flags: Flags): string {
    if (this.#pattern.startsWith('\\Q', this.#at)) return this.#quoted(flags);
    const start = this.#at;
    const atom = this.#atom(flags);
    if (atom === '') return '';
    const quantifier = this.#match(QUANTIFIER);
    if (quantifier === null) return atom;
    const assertion = /^(?:\^|\$|\\[AzbB])/.test(this.#pattern.slice(start, start + 2));
    return (assertion ? `(?:${atom})` : atom) + this.#greediness(quantifier[0], flags);
  }

  #greediness(quantifier: string, flags: Flags): string {
    if (!flags.ungreedy) return quantifier;
    return quantifier.length > 1 && quantifier.endsWith('?') ? quantifier.slice(0, -1) : `${quantifier}?`;
  }

  /** \Q...\E; a quantifier behind it belongs to the last character. */
  #quoted(flags: Flags): string {
    const end = this.#pattern.indexOf('\\E', this.#at);
    const text = this.#pattern.slice(this.#at + 2, end < 0 ? undefined : end);
    this.#at = end < 0 ? this.#pattern.length : end + 2;
    let out = '';
    for (const character of text) out += this.#literal(character.codePointAt(0) ?? 0, flags);
    const quantifier = text === '' ? null : this.#match(QUANTIFIER);
    return quantifier === null ? out : out + this.#greediness(quantifier[0], flags);
  }

  #atom(flags: Flags): string {
    const character = this.#pattern[this.#at];
    switch (character) {
      case '(':
        return this.#bracketed(flags);
      case '[':
        return this.#class(flags);
      case '\\':
        return this.#escape(flags);
      case '.':
        this.#at++;
        return flags.dotAll ? '[\\s\\S]' : '[^\\n]';
      case '^':
        this.#at++;
        return flags.multiLine ? '(?<![^\\n])' : '^';
      case '$':
        this.#at++;
        return flags.multiLine ? '(?![^\\n])' : '$';
      default:
        return this.#literal(this.#codePoint(), flags);
    }
  }

  #bracketed(flags: Flags): string {
    const special = this.#match(GROUP);
    if (special === null) this.#at++;
    const inner = { ...flags };
    let open = '(';
    if (special !== null && special[3] !== undefined) {
      const target = special[3] === ')' ? flags : inner;
      for (const flag of special[1]) setFlag(target, flag, true);
      for (const flag of special[2] ?? '') setFlag(target, flag, false);
      if (special[3] === ')') return '';
      open = '(?:';
    }
    const content = this.#group(inner);
    this.#at++;
    return `${open}${content})`;
  }

  #escape(flags: Flags): string {
    const next = this.#pattern[this.#at + 1];
    switch (next) {
      case 'A':
        this.#at += 2;
        return '^';
      case 'z':
        this.#at += 2;
        return '$';
      case 'b':
      case 'B':
        this.#at += 2;
        return `\\${next}`;
      case 'C':
        this.#at += 2;
        return '[\\s\\S]';
    }
    const set = new CharacterClass();
    if (this.#escapedClass(set)) return this.#classSource(set, false);
    return this.#literal(this.#escapedCodePoint(), flags);
  }

  /** \d, \pL and the like, inside or outside of brackets; false when the escape is a single character. */
  #escapedClass(set: CharacterClass): boolean {
    const letter = this.#pattern[this.#at + 1];
    const ranges = PERL_CLASSES[letter.toLowerCase()];
    if (ranges !== undefined) {
      set.addRanges(letter === letter.toLowerCase() ? ranges : complement(ranges), false);
      this.#at += 2;
      return true;
    }
    const property = this.#match(PROPERTY);
    if (property === null) return false;
    const [, kind, caret, long, short] = property;
    set.addProperty(long ?? short, (kind === 'P') !== (caret === '^'));
    return true;
  }

  #escapedCodePoint(): number {
    const number = this.#match(NUMBER_ESCAPE);
    if (number !== null) {
      const [, braced, two, octal] = number;
      return octal !== undefined ? Number.parseInt(octal, 8) : Number.parseInt(braced ?? two, 16);
    }
    this.#at++;
    const letter = this.#pattern[this.#at];
    const control = ESCAPED_CONTROLS[letter];
    if (control === undefined) return this.#codePoint();
    this.#at++;
    return control;
  }

  #class(flags: Flags): string {
    this.#at++;
    const negated = this.#pattern[this.#at] === '^';
    if (negated) this.#at++;
    const set = new CharacterClass();
    for (let first = true; first || this.#pattern[this.#at] !== ']'; first = false) {
      const posix = this.#match(POSIX);
      if (posix !== null) {
        const ranges = POSIX_CLASSES[posix[2]];
        set.addRanges(posix[1] === '^' ? complement(ranges) : ranges, flags.foldCase && posix[1] === '');
        continue;
      }
      if (this.#pattern[this.#at] === '\\' && this.#escapedClass(set)) continue;
      const low = this.#classCodePoint();
      let high = low;
      if (this.#pattern[this.#at] === '-' && this.#pattern[this.#at + 1] !== ']') {
        this.#at++;
        high = this.#classCodePoint();
      }
      set.add(low, high, flags.foldCase);
    }
    this.#at++;
    return this.#classSource(set, negated);
  }

  #classCodePoint(): number {
    return this.#pattern[this.#at] === '\\' ? this.#escapedCodePoint() : this.#codePoint();
  }

  #classSource(set: CharacterClass, negated: boolean): string {
    this.#unicode ||= set.needsUnicode;
    return set.source(negated);
  }

  #literal(codePoint: number, flags: Flags): string {
    if (codePoint > 0xffff) this.#unicode = true;
    if (!flags.foldCase) return escaped(codePoint);
    const set = new CharacterClass();
    set.add(codePoint, codePoint, true);
    return this.#classSource(set, false);
  }

  #codePoint(): number {
    const codePoint = this.#pattern.codePointAt(this.#at) ?? 0;
    this.#at += codePoint > 0xffff ? 2 : 1;
    return codePoint;
  }

  #match(sticky: RegExp): RegExpExecArray | null {
    sticky.lastIndex = this.#at;
    const match = sticky.exec(this.#pattern);
    if (match !== null) this.#at = sticky.lastIndex;
    return match;
  }
}

const PERL_CLASSES: Readonly<Record<string, typeof DIGITS>> = { d: DIGITS, s: SPACES, w: WORD_CHARACTERS };

function setFlag(flags: Flags, letter: string, on: boolean): void {
  if (letter === 'i') flags.foldCase = on;
  else if (letter === 'm') flags.multiLine = on;
  else if (letter === 's') flags.dotAll = on;
  else flags.ungreedy = on;
}

/** Translates a valid RE2 pattern; its groups keep their numbers. */
export function translateRegex(pattern: string): JavaScriptRegex {
  return new Translator(pattern).translate();
}
