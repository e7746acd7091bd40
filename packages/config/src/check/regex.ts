// RE2 syntax: Envoy refuses what RE2 does not know (look-around, back-references), so do we. The RE2 parser is
// loaded with the first regex.

import { createRequire } from 'node:module';

type Re2 = { RE2JS: { compile(pattern: string): unknown } };

let re2: Re2 | null = null;

/** RE2's words for the errors of its own parser. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/invalid or unsupported Perl syntax: `(.*)`/, 'invalid perl operator: $1'],
  [/missing closing \): `(.*)`/, 'missing ): $1'],
  [/unexpected \): `(.*)`/, 'unexpected ): $1'],
  [/missing closing \]: `(.*)`/, 'missing ]: $1'],
  [/missing argument to repetition operator: `(.*)`/, 'no argument for repetition operator: $1'],
  [/invalid escape sequence: `(.*)`/, 'invalid escape sequence: $1'],
];

/** Why `pattern` is no RE2 regex, or null. */
export function brokenRegex(pattern: string): string | null {
  re2 ??= createRequire(import.meta.url)('re2js') as Re2;
  try {
    re2.RE2JS.compile(pattern);
    return null;
  } catch (error) {
    const text = (error as Error).message;
    for (const [shape, words] of WORDS) {
      const match = shape.exec(text);
      if (match !== null) return words.replace('$1', match[1]!);
    }
    return text.replace(/^error parsing regexp: /, '');
  }
}

/** How many capture groups a valid pattern has: unescaped parentheses outside classes that capture. */
export function captureGroups(pattern: string): number {
  let count = 0;
  let inClass = false;
  for (let i = 0; i < pattern.length; i++) {
    const char = pattern[i];
    if (char === '\\') i++;
    else if (inClass) inClass = char !== ']';
    else if (char === '[') {
      inClass = true;
      if (pattern[i + 1] === '^') i++;
      if (pattern[i + 1] === ']') i++;
    } else if (char === '(' && (pattern[i + 1] !== '?' || /^\(\?P?<[^=!]/.test(pattern.slice(i)))) count++;
  }
  return count;
}
