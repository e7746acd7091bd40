// Times in strftime notation, as %START_TIME(...)% and its relatives take it: Envoy's fractions (%3f), and the
// POSIX and absl conversions log formats use. A format is compiled once; writing a time runs its segments.

/** Writes a wall-clock time (milliseconds since 1970, fraction allowed). */
export type WriteTime = (wallMs: number) => string;

interface TimeParts {
  year: number;
  month: number;
  day: number;
  weekday: number;
  hour: number;
  minute: number;
  second: number;
  /** Milliseconds since 1970, with fraction. */
  wallMs: number;
  offsetMinutes: number;
}

type WritePart = (parts: TimeParts) => string;

const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

const pad = (value: number, width: number, fill = '0'): string => String(value).padStart(width, fill);

function nanoseconds(parts: TimeParts): string {
  const wholeMs = Math.floor(parts.wallMs);
  const microseconds = Math.floor((parts.wallMs - wholeMs) * 1000);
  const ms = ((wholeMs % 1000) + 1000) % 1000;
  return `${pad(ms, 3)}${pad(microseconds, 3)}000`;
}

const fraction =
  (digits: number): WritePart =>
  parts =>
    nanoseconds(parts).slice(0, digits);

function zone(parts: TimeParts, colon: boolean): string {
  const total = Math.abs(parts.offsetMinutes);
  const sign = parts.offsetMinutes < 0 ? '-' : '+';
  return `${sign}${pad(Math.floor(total / 60), 2)}${colon ? ':' : ''}${pad(total % 60, 2)}`;
}

function dayOfYear(parts: TimeParts): number {
  return (
    Math.floor((Date.UTC(parts.year, parts.month, parts.day) - Date.UTC(parts.year, 0, 1)) / 86_400_000) + 1
  );
}

const hour12 = (hour: number): number => (hour % 12 === 0 ? 12 : hour % 12);

const CONVERSIONS: Readonly<Record<string, WritePart>> = {
  Y: p => String(p.year),
  y: p => pad(p.year % 100, 2),
  C: p => pad(Math.floor(p.year / 100), 2),
  m: p => pad(p.month + 1, 2),
  d: p => pad(p.day, 2),
  e: p => pad(p.day, 2, ' '),
  H: p => pad(p.hour, 2),
  k: p => pad(p.hour, 2, ' '),
  I: p => pad(hour12(p.hour), 2),
  l: p => pad(hour12(p.hour), 2, ' '),
  M: p => pad(p.minute, 2),
  S: p => pad(p.second, 2),
  p: p => (p.hour < 12 ? 'AM' : 'PM'),
  a: p => WEEKDAYS[p.weekday].slice(0, 3),
  A: p => WEEKDAYS[p.weekday],
  b: p => MONTHS[p.month].slice(0, 3),
  h: p => MONTHS[p.month].slice(0, 3),
  B: p => MONTHS[p.month],
  j: p => pad(dayOfYear(p), 3),
  u: p => String(p.weekday === 0 ? 7 : p.weekday),
  w: p => String(p.weekday),
  s: p => String(Math.floor(p.wallMs / 1000)),
  f: fraction(9),
  z: p => zone(p, false),
  Z: p => (p.offsetMinutes === 0 ? 'UTC' : zone(p, false)),
  F: p => `${p.year}-${pad(p.month + 1, 2)}-${pad(p.day, 2)}`,
  T: p => `${pad(p.hour, 2)}:${pad(p.minute, 2)}:${pad(p.second, 2)}`,
  R: p => `${pad(p.hour, 2)}:${pad(p.minute, 2)}`,
  D: p => `${pad(p.month + 1, 2)}/${pad(p.day, 2)}/${pad(p.year % 100, 2)}`,
  x: p => `${pad(p.month + 1, 2)}/${pad(p.day, 2)}/${pad(p.year % 100, 2)}`,
  X: p => `${pad(p.hour, 2)}:${pad(p.minute, 2)}:${pad(p.second, 2)}`,
  c: p =>
    `${WEEKDAYS[p.weekday].slice(0, 3)} ${MONTHS[p.month].slice(0, 3)} ${pad(p.day, 2, ' ')} ` +
    `${pad(p.hour, 2)}:${pad(p.minute, 2)}:${pad(p.second, 2)} ${p.year}`,
  n: () => '\n',
  t: () => '\t',
  '%': () => '%',
};

/** `%3f` (digits of the second's fraction), `%E3S`, `%E*S`, `%E3f`, `%Ez`, then plain conversions. */
const CONVERSION = /%(?:([1-9])f|E([0-9]|\*)([Sf])|(Ez)|(.))/gs;

function extended(digits: string, what: string): WritePart {
  const count = digits === '*' ? 9 : Number(digits);
  const text = (parts: TimeParts): string => {
    const all = nanoseconds(parts).slice(0, count);
    return digits === '*' ? all.replace(/0+$/, '') : all;
  };
  if (what === 'f') return parts => text(parts) || '0';
  return parts => {
    const rest = text(parts);
    return rest === '' ? pad(parts.second, 2) : `${pad(parts.second, 2)}.${rest}`;
  };
}

function partsOf(wallMs: number, local: boolean): TimeParts {
  const date = new Date(wallMs);
  const offsetMinutes = local ? -date.getTimezoneOffset() : 0;
  const shifted = local ? new Date(wallMs + offsetMinutes * 60_000) : date;
  return {
    year: shifted.getUTCFullYear(),
    month: shifted.getUTCMonth(),
    day: shifted.getUTCDate(),
    weekday: shifted.getUTCDay(),
    hour: shifted.getUTCHours(),
    minute: shifted.getUTCMinutes(),
    second: shifted.getUTCSeconds(),
    wallMs,
    offsetMinutes,
  };
}

/** Compiles a strftime format; an unknown conversion is written as it stands. '' means ISO 8601 with milliseconds. */
export function compileTimeFormat(format: string, local: boolean): WriteTime {
  if (format === '' && !local) return wallMs => new Date(wallMs).toISOString();
  const segments: (string | WritePart)[] = [];
  const text = format === '' ? '%Y-%m-%dT%H:%M:%E3S%Ez' : format;
  let at = 0;
  for (const match of text.matchAll(CONVERSION)) {
    if (match.index > at) segments.push(text.slice(at, match.index));
    at = match.index + match[0].length;
    const [all, digits, extendedDigits, extendedWhat, colonZone, plain] = match;
    if (digits !== undefined) segments.push(fraction(Number(digits)));
    else if (extendedDigits !== undefined) segments.push(extended(extendedDigits, extendedWhat));
    else if (colonZone !== undefined) segments.push(parts => zone(parts, true));
    else segments.push(CONVERSIONS[plain] ?? all);
  }
  if (at < text.length) segments.push(text.slice(at));
  return wallMs => {
    const parts = partsOf(wallMs, local);
    let out = '';
    for (const segment of segments) out += typeof segment === 'string' ? segment : segment(parts);
    return out;
  };
}
