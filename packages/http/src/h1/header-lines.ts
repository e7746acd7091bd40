// The hot loop of the codec: header lines out of a buffer into an offset table, once, strictly, on bytes.
// Names are lower-cased in the buffer itself, which must be the caller's own memory.

import {
  LINE_END,
  LINE_ID,
  NAME_END,
  NAME_START,
  REMOVED,
  STRIDE,
  VALUE_END,
  VALUE_START,
} from '../head-table.ts';
import { headerIdAt, LAST_CODEC_ID } from '../header-names.ts';
import type { UnderscoresAction } from '../limits.ts';
import { TOKEN_LOWER } from '../tables.ts';
import { HeadError } from './codec-error.ts';
import type { MessageHead } from './message-head.ts';

const HT = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SP = 0x20;
const COLON = 0x3a;
const UNDERSCORE = 0x5f;
const DEL = 0x7f;
/** `a:` CR LF */
const MIN_LINE_BYTES = 4;

/**
 * Reads header lines from `position` up to and with the empty line. `start` is where the head's text begins: offsets
 * in the table count from there. Answers the position behind the empty line, 0 when bytes are missing, or an error.
 */
export function parseHeaderLines(
  head: MessageHead,
  buffer: Buffer,
  start: number,
  position: number,
  end: number,
  maxCount: number,
  underscores: UnderscoresAction,
): number {
  const table = head.table;
  // Room for all lines there can be, so that the loop neither checks for room nor sees the array change.
  table.ensure(Math.min(maxCount, Math.ceil((end - position) / MIN_LINE_BYTES)));
  const { seen, lines } = table;
  let line = 0;
  let count = 0;
  let i = position;
  for (;;) {
    if (i >= end) return 0;
    let byte = buffer[i];
    if (byte === CR) {
      if (i + 1 >= end) return 0;
      if (buffer[i + 1] !== LF) return HeadError.MALFORMED;
      table.count = line / STRIDE;
      return i + 2;
    }
    const nameStart = i;
    for (let lower = TOKEN_LOWER[byte]; lower !== 0; lower = TOKEN_LOWER[byte]) {
      if (lower !== byte) buffer[i] = lower;
      if (++i >= end) return 0;
      byte = buffer[i];
    }
    // A blank or LF here is obs-fold, a space before the colon, a line without colon or a bare LF.
    if (byte !== COLON || i === nameStart) return HeadError.MALFORMED;
    const nameEnd = i++;
    while (i < end && ((byte = buffer[i]) === SP || byte === HT)) i++;
    const valueStart = i;
    // What FIELD_VALUE says, without a second load per byte.
    while (i < end && (((byte = buffer[i]) > 0x1f && byte !== DEL) || byte === HT)) i++;
    if (i >= end) return 0;
    if ((byte = buffer[i]) !== CR) return byte === LF ? HeadError.MALFORMED : HeadError.INVALID_VALUE;
    if (i + 1 >= end) return 0;
    if (buffer[i + 1] !== LF) return HeadError.INVALID_VALUE;
    let valueEnd = i;
    i += 2;
    while (valueEnd > valueStart && ((byte = buffer[valueEnd - 1]) === SP || byte === HT)) valueEnd--;
    if (++count > maxCount) return HeadError.TOO_MANY_HEADERS;
    const id = headerIdAt(buffer, nameStart, nameEnd);
    const canonical = valueStart === nameEnd + 2 && valueEnd + 2 === i && buffer[nameEnd + 1] === SP;
    lines[line + LINE_ID] = id;
    lines[line + NAME_START] = nameStart - start;
    lines[line + NAME_END] = nameEnd - start;
    lines[line + VALUE_START] = valueStart - start;
    lines[line + VALUE_END] = valueEnd - start;
    lines[line + LINE_END] = canonical ? i - start : 0;
    const bit = 1 << (id & 31);
    if ((seen[id >> 5] & bit) !== 0 && id !== 0) table.repeated = true;
    seen[id >> 5] |= bit;
    if (underscores !== 'ALLOW' && hasUnderscore(buffer, nameStart, nameEnd)) {
      if (underscores === 'REJECT_REQUEST') return HeadError.UNDERSCORE;
      // The row stays: it is what parts the runs of text that are written back.
      lines[line + VALUE_END] = REMOVED;
      head.droppedUnderscores++;
    } else if (id !== 0 && id <= LAST_CODEC_ID) {
      const error = head.takeCodecLine(id, line, buffer, valueStart, valueEnd);
      if (error !== 0) return error;
    }
    line += STRIDE;
  }
}

function hasUnderscore(buffer: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (buffer[i] === UNDERSCORE) return true;
  return false;
}
