// Log lines in the pattern language of Envoy's --log-format (spdlog's). The pattern is read once; a line is a few
// string additions.

import type { LogLevel } from '@dragoman/base';

export const DEFAULT_LOG_FORMAT = '[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v';

/** What a line is made of. */
export interface LogRecord {
  readonly time: Date;
  readonly level: LogLevel;
  readonly component: string;
  readonly message: string;
  readonly threadId: number;
}

type Part = (record: LogRecord) => string;

const two = (n: number): string => (n < 10 ? `0${n}` : String(n));
const three = (n: number): string => String(n).padStart(3, '0');
const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
);
const LEVEL_LETTERS: Record<LogLevel, string> = {
  trace: 'T',
  debug: 'D',
  info: 'I',
  warning: 'W',
  error: 'E',
  critical: 'C',
  off: 'O',
};

function zone(time: Date): string {
  const minutes = -time.getTimezoneOffset();
  const whole = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${two(Math.floor(whole / 60))}:${two(whole % 60)}`;
}

const clock24 = (time: Date): string =>
  `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
const hour12 = (time: Date): number => time.getHours() % 12 || 12;
const escapeLines = (text: string): string => text.replaceAll('\n', '\\n');

/** Flags by letter; %g and %# have no source file to show, so they say where in Dragoman the line comes from. */
const FLAGS: Record<string, Part> = {
  v: record => record.message,
  _: record => escapeLines(record.message),
  j: record => JSON.stringify(record.message).slice(1, -1),
  n: record => record.component,
  l: record => record.level,
  L: record => LEVEL_LETTERS[record.level],
  t: record => String(record.threadId),
  P: () => String(process.pid),
  g: record => `dragoman/${record.component}`,
  s: record => record.component,
  '#': () => '0',
  '!': () => '',
  '@': record => `dragoman/${record.component}:0`,
  '^': () => '',
  $: () => '',
  '%': () => '%',
  Y: ({ time }) => String(time.getFullYear()),
  C: ({ time }) => two(time.getFullYear() % 100),
  m: ({ time }) => two(time.getMonth() + 1),
  d: ({ time }) => two(time.getDate()),
  H: ({ time }) => two(time.getHours()),
  I: ({ time }) => two(hour12(time)),
  M: ({ time }) => two(time.getMinutes()),
  S: ({ time }) => two(time.getSeconds()),
  p: ({ time }) => (time.getHours() < 12 ? 'AM' : 'PM'),
  e: ({ time }) => three(time.getMilliseconds()),
  f: ({ time }) => `${three(time.getMilliseconds())}000`,
  F: ({ time }) => `${three(time.getMilliseconds())}000000`,
  E: ({ time }) => String(Math.floor(time.getTime() / 1000)),
  T: ({ time }) => clock24(time),
  X: ({ time }) => clock24(time),
  R: ({ time }) => `${two(time.getHours())}:${two(time.getMinutes())}`,
  r: ({ time }) =>
    `${two(hour12(time))}:${two(time.getMinutes())}:${two(time.getSeconds())} ${time.getHours() < 12 ? 'AM' : 'PM'}`,
  D: ({ time }) => `${two(time.getMonth() + 1)}/${two(time.getDate())}/${two(time.getFullYear() % 100)}`,
  z: ({ time }) => zone(time),
  a: ({ time }) => WEEKDAYS[time.getDay()]!.slice(0, 3),
  A: ({ time }) => WEEKDAYS[time.getDay()]!,
  b: ({ time }) => MONTHS[time.getMonth()]!.slice(0, 3),
  B: ({ time }) => MONTHS[time.getMonth()]!,
};

/** A pattern made ready. Unknown flags stand for themselves, as in spdlog. */
export class LogFormat {
  readonly #parts: Part[] = [];

  /** With `escaped`, line breaks in messages become `\n` (--log-format-escaped). */
  constructor(pattern: string, escaped = false) {
    for (const match of pattern.matchAll(/%(?:[-=]?\d+!?)?(.)|[^%]+|%$/gsu)) {
      const letter = match[1];
      const part = letter === undefined ? undefined : FLAGS[escaped && letter === 'v' ? '_' : letter];
      this.#parts.push(part ?? (() => match[0]));
    }
  }

  /** One line, with its line break. */
  line(record: LogRecord): string {
    let text = '';
    for (const part of this.#parts) text += part(record);
    return `${text}\n`;
  }
}
