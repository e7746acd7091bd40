// What the codec learns from one message head besides its headers: framing, persistence, upgrade. One object per
// connection and direction, reused for every message. The loop over the lines is in header-lines.ts.

import {
  type HeadTable,
  type HeadTablePool,
  LINE_END,
  REMOVED,
  threadHeadTables,
  VALUE_END,
} from '../head-table.ts';
import { MAX_CONTENT_LENGTH_DIGITS } from '../limits.ts';
import { HeadError } from './codec-error.ts';

const NO_NAMES: readonly string[] = [];
const BARE_TAB = 0x09;

export abstract class MessageHead {
  /** The Content-Length, or -1. */
  contentLength = -1;
  /** `Transfer-Encoding: chunked`. */
  chunked = false;
  connectionClose = false;
  connectionKeepAlive = false;
  /** The message is HTTP/1.0 (or a version that counts as such). */
  http10 = false;
  /** The Upgrade header's value when Connection says `upgrade`; '' otherwise and for h2c. */
  upgrade = '';
  /** Bytes of the head, start line and final CR LF included. */
  headBytes = 0;
  /** Lines left out because of `headers_with_underscores_action: DROP_HEADER`. */
  droppedUnderscores = 0;

  /** Lower-case Connection options other than close, keep-alive and upgrade. */
  protected nominated: readonly string[] = NO_NAMES;
  protected connectionUpgrade = false;
  protected upgradeValue = '';
  protected contentLengthLine = -1;
  protected transferEncodings = 0;
  /** Where the line with the (last) transfer encoding is, and where its value ends in the head's text. */
  protected codingLine = -1;
  protected codingEnd = 0;
  protected transferEncodingValid = true;

  readonly #pool: HeadTablePool;
  #table: HeadTable | null = null;

  constructor(pool: HeadTablePool = threadHeadTables) {
    this.#pool = pool;
  }

  /** Codec only: the table of the head being parsed. */
  get table(): HeadTable {
    return (this.#table ??= this.#pool.take());
  }

  /** Codec only: forgets the last message. */
  begin(): void {
    this.contentLength = -1;
    this.chunked = false;
    this.connectionClose = false;
    this.connectionKeepAlive = false;
    this.http10 = false;
    this.upgrade = '';
    this.headBytes = 0;
    this.droppedUnderscores = 0;
    this.nominated = NO_NAMES;
    this.connectionUpgrade = false;
    this.upgradeValue = '';
    this.contentLengthLine = -1;
    this.transferEncodings = 0;
    this.transferEncodingValid = true;
    this.table.clear();
  }

  /** Gives the offset table back to the pool: for connections that go idle or close. The headers become invalid. */
  release(): void {
    const table = this.#table;
    if (table === null) return;
    this.#table = null;
    table.clear();
    this.#pool.give(table);
  }

  /** True when the connection may carry another message after this one. */
  get persistent(): boolean {
    return this.http10 ? this.connectionKeepAlive && !this.connectionClose : !this.connectionClose;
  }

  /**
   * Codec only: a line of a name with an id up to LAST_CODEC_ID; `line` is its offset in the table, the value lies at
   * buffer[start..end). Answers 0 or an error.
   */
  abstract takeCodecLine(id: number, line: number, buffer: Buffer, start: number, end: number): number;

  protected removeLine(line: number): void {
    this.table.lines[line + VALUE_END] = REMOVED;
    this.table.lines[line + LINE_END] = 0;
  }

  protected takeContentLength(line: number, buffer: Buffer, start: number, end: number): number {
    const length = parseContentLength(buffer, start, end);
    if (length < 0 || this.contentLength >= 0) return HeadError.MALFORMED;
    this.contentLength = length;
    this.contentLengthLine = line;
    return 0;
  }

  protected dropContentLength(): void {
    this.contentLength = -1;
    this.removeLine(this.contentLengthLine);
  }

  /** Only the exact word counts (any case); a tab before it is how proxies and origins are made to disagree. */
  protected takeTransferEncoding(line: number, buffer: Buffer, start: number, end: number): void {
    this.transferEncodings++;
    this.transferEncodingValid =
      this.transferEncodings === 1 &&
      equalsIgnoringCase(buffer, start, end, 'chunked') &&
      buffer[start - 1] !== BARE_TAB &&
      buffer[end] !== BARE_TAB;
    this.codingLine = line;
    this.codingEnd = this.table.lines[line + VALUE_END];
    this.removeLine(line);
  }

  protected takeConnection(line: number, buffer: Buffer, start: number, end: number): void {
    this.removeLine(line);
    if (equalsIgnoringCase(buffer, start, end, 'keep-alive')) this.connectionKeepAlive = true;
    else if (equalsIgnoringCase(buffer, start, end, 'close')) this.connectionClose = true;
    else this.#takeConnectionOptions(buffer.latin1Slice(start, end).toLowerCase());
  }

  #takeConnectionOptions(value: string): void {
    const names: string[] = [...this.nominated];
    for (const part of value.split(',')) {
      const option = part.trim();
      if (option === 'close') this.connectionClose = true;
      else if (option === 'keep-alive') this.connectionKeepAlive = true;
      else if (option === 'upgrade') this.connectionUpgrade = true;
      else if (option !== '') names.push(option);
    }
    this.nominated = names;
  }

  /** The line goes; its value is kept until Connection has been read. */
  protected takeUpgrade(line: number, buffer: Buffer, start: number, end: number): void {
    const value = buffer.latin1Slice(start, end);
    this.upgradeValue = this.upgradeValue === '' ? value : `${this.upgradeValue}, ${value}`;
    this.removeLine(line);
  }

  /** h2c is never forwarded: the next hop would switch protocols behind the proxy's back. */
  protected settleUpgrade(): void {
    if (!this.connectionUpgrade || this.upgradeValue === '') return;
    const protocols = this.upgradeValue.toLowerCase().split(',');
    if (!protocols.some(protocol => protocol.trim().startsWith('h2c'))) this.upgrade = this.upgradeValue;
  }
}

/** Compares buffer[start..end) with a lower-case ASCII word. */
export function equalsIgnoringCase(buffer: Buffer, start: number, end: number, word: string): boolean {
  const length = word.length;
  if (end - start !== length) return false;
  for (let i = 0; i < length; i++) {
    const expected = word.charCodeAt(i);
    const byte = buffer[start + i];
    if (byte === expected) continue;
    if (expected < 0x61 || expected > 0x7a || byte + 32 !== expected) return false;
  }
  return true;
}

/** Digits only, a safe integer; -1 otherwise. */
function parseContentLength(buffer: Buffer, start: number, end: number): number {
  if (end === start || end - start > MAX_CONTENT_LENGTH_DIGITS) return -1;
  let length = 0;
  for (let i = start; i < end; i++) {
    const digit = buffer[i] - 0x30;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length <= Number.MAX_SAFE_INTEGER ? length : -1;
}
