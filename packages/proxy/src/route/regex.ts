// Regular expressions of the configuration: RE2 syntax, checked as such, run by V8. Subjects are byte strings
// (header values, paths); those with bytes above 0x7f are matched as the UTF-8 text they stand for, as RE2 does.

import { DragomanError } from '@dragoman/base';
import { RE2JS } from 're2js';
import { byteString } from '../format/format-input.ts';
import { translateRegex } from './regex-translation.ts';

const NOT_ASCII = /[\x80-\xff]/;

function subjectText(bytes: string): string {
  return NOT_ASCII.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes;
}

/** RE2's own wording of the errors its ports word differently. */
const ERROR_WORDS: readonly (readonly [string, string])[] = [
  ['invalid or unsupported Perl syntax', 'invalid perl operator'],
  ['invalid nested repetition operator', 'bad repetition operator'],
  ['missing argument to repetition operator', 'no argument for repetition operator'],
  ['invalid repeat count', 'invalid repetition size'],
  ['missing closing )', 'missing )'],
  ['missing closing ]', 'missing ]'],
  ['trailing backslash at end of expression', 'trailing \\'],
];

function errorText(cause: unknown): string {
  let text = cause instanceof Error ? cause.message : String(cause);
  text = text.replace(/^error parsing regexp: /, '').replace(/: `(.*)`$/s, ': $1');
  for (const [theirs, ours] of ERROR_WORDS)
    if (text.startsWith(theirs)) text = ours + text.slice(theirs.length);
  return text;
}

function compile(pattern: string, wrap: (source: string) => string, flags: string): RegExp {
  try {
    RE2JS.compile(pattern.replaceAll('\\C', '(?s:.)'));
  } catch (cause) {
    throw new DragomanError('REGEX', errorText(cause), { cause });
  }
  const translated = translateRegex(pattern);
  return new RegExp(wrap(translated.source), translated.flags + flags);
}

/** A regular expression that has to match the whole subject. */
export class FullMatchRegex {
  readonly pattern: string;
  readonly #regex: RegExp;

  /** @throws DragomanError REGEX with RE2's words ("invalid perl operator: (?="). */
  constructor(pattern: string) {
    this.pattern = pattern;
    this.#regex = compile(pattern, source => `^(?:${source})$`, '');
  }

  matches(subject: string): boolean {
    return this.#regex.test(subjectText(subject));
  }
}

/** Regex and substitution of `regex_rewrite` and its relatives: all matches are replaced (RE2::GlobalReplace). */
export class RegexSubstitution {
  readonly #regex: RegExp;
  /** Constant text and group numbers. */
  readonly #parts: readonly (string | number)[];

  /** @throws DragomanError REGEX for the pattern, SUBSTITUTION for a rewrite with a wrong escape or group. */
  constructor(pattern: string, substitution: string) {
    this.#regex = compile(pattern, source => source, 'g');
    this.#parts = substitutionParts(substitution);
    const groups =
      (new RegExp(`${this.#regex.source}|`, this.#regex.flags.replace('g', '')).exec('')?.length ?? 1) - 1;
    const highest = Math.max(0, ...this.#parts.filter(part => typeof part === 'number'));
    if (highest > groups)
      throw new DragomanError(
        'SUBSTITUTION',
        `invalid replacement string: rewrite schema requests ${highest} matches, but the regexp only has ${groups} parenthesized subexpressions.`,
      );
  }

  replaceAll(subject: string): string {
    const regex = this.#regex;
    const text = subjectText(subject);
    let out = '';
    let copied = 0;
    let lastEnd = -1;
    regex.lastIndex = 0;
    for (let match = regex.exec(text); match !== null; match = regex.exec(text)) {
      const end = match.index + match[0].length;
      // RE2 takes no empty match right behind the previous match.
      if (end > match.index || match.index !== lastEnd) {
        out += text.slice(copied, match.index);
        for (const part of this.#parts) out += typeof part === 'string' ? part : (match[part] ?? '');
        copied = lastEnd = end;
      }
      if (match[0] === '') regex.lastIndex++;
    }
    if (lastEnd < 0) return subject;
    return byteString(out + text.slice(copied));
  }
}

function substitutionParts(substitution: string): (string | number)[] {
  const parts: (string | number)[] = [];
  let constant = '';
  for (let i = 0; i < substitution.length; i++) {
    if (substitution[i] !== '\\') {
      constant += substitution[i];
      continue;
    }
    const next = substitution[++i];
    if (next === '\\') {
      constant += '\\';
    } else if (next !== undefined && next >= '0' && next <= '9') {
      if (constant !== '') parts.push(constant);
      constant = '';
      parts.push(Number(next));
    } else {
      const fact =
        next === undefined
          ? "Rewrite schema error: '\\' not allowed at end."
          : "Rewrite schema error: '\\' must be followed by a digit or '\\'.";
      throw new DragomanError('SUBSTITUTION', `invalid replacement string: ${fact}`);
    }
  }
  if (constant !== '') parts.push(constant);
  return parts;
}
