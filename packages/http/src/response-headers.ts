// Response headers: a header map with the status as a number.

import type { HeaderCase } from './header-case.ts';
import { HeaderMap } from './header-map.ts';
import { HeaderId } from './header-names.ts';
import { lowerCaseName } from './header-validation.ts';
import { JOINED_IN_RESPONSES } from './joined-names.ts';

const STATUS_NAME = ':status';
const MIN_SETTABLE_STATUS = 200;
const MAX_SETTABLE_STATUS = 599;

/** ":status" works in get, getAll, has, set (200 to 599) and remove; it cannot be added. */
export class ResponseHeaders extends HeaderMap {
  status = 0;
  /** Somebody still reads what a parser put here: the parser's next head needs another object. */
  inUse = false;
  /** How names are written where they go out over HTTP/1; null = as that side writes its own. */
  headerCase: HeaderCase | null = null;
  /** The line that says how the body came: the codec's own, unless it is shown. */
  #codingLine = -1;
  #codingEnd = 0;
  #codingShown = false;

  /** A response of [name, value, ...] with ":status" among them; nothing is validated. */
  static override fromPairs(pairs: readonly string[]): ResponseHeaders {
    const headers = new ResponseHeaders();
    for (let i = 0; i < pairs.length; i += 2) {
      const name = lowerCaseName(pairs[i]);
      if (name === STATUS_NAME) headers.status = Number(pairs[i + 1]);
      else headers.addLine(`${name}: ${pairs[i + 1]}\r\n`, name, pairs[i + 1]);
    }
    return headers;
  }

  override get(name: string): string | undefined {
    return name === STATUS_NAME ? this.#statusText() : super.get(name);
  }

  override getAll(name: string): string[] {
    if (name !== STATUS_NAME) return super.getAll(name);
    return this.status === 0 ? [] : [String(this.status)];
  }

  override has(name: string): boolean {
    return name === STATUS_NAME ? this.status !== 0 : super.has(name);
  }

  override set(name: string, value: string): boolean {
    if (name !== STATUS_NAME) return super.set(name, value);
    if (!/^\d{3}$/.test(value)) return false;
    const status = Number(value);
    if (status < MIN_SETTABLE_STATUS || status > MAX_SETTABLE_STATUS) return false;
    this.status = status;
    return true;
  }

  protected override get joined(): Int32Array {
    return JOINED_IN_RESPONSES;
  }

  override remove(name: string): number {
    if (name !== STATUS_NAME) return super.remove(name);
    const known = this.status === 0 ? 0 : 1;
    this.status = 0;
    return known;
  }

  override clear(): void {
    super.clear();
    this.status = 0;
  }

  override get count(): number {
    return this.status === 0 ? this.lineCount : this.lineCount + 1;
  }

  override forEach(visit: (name: string, value: string) => void): void {
    if (this.status !== 0) visit(STATUS_NAME, String(this.status));
    this.forEachLine(visit);
  }

  /** Codec only: where the line is that says "chunked"; -1 for none. */
  noteCoding(line: number, valueEnd: number): void {
    this.#codingLine = line;
    this.#codingEnd = valueEnd;
    this.#codingShown = false;
  }

  /** Shows "transfer-encoding: chunked" of a body that came so, where it stood: Envoy's filters see it. */
  showTransferEncoding(): void {
    if (this.#codingLine < 0 || this.#codingShown) return;
    this.#codingShown = true;
    this.restoreLine(this.#codingLine, this.#codingEnd);
  }

  /** Before the response goes on: how its body goes is for the next codec to say. */
  hideTransferEncoding(): void {
    if (!this.#codingShown) return;
    this.#codingShown = false;
    this.removeId(HeaderId.TRANSFER_ENCODING);
  }

  override copy(): ResponseHeaders {
    const copy = this.copyLinesTo(new ResponseHeaders());
    copy.status = this.status;
    copy.headerCase = this.headerCase;
    copy.#codingLine = this.#codingLine;
    copy.#codingEnd = this.#codingEnd;
    copy.#codingShown = this.#codingShown;
    return copy;
  }

  override reset(): void {
    super.reset();
    this.headerCase = null;
    this.status = 0;
    this.noteCoding(-1, 0);
  }

  #statusText(): string | undefined {
    return this.status === 0 ? undefined : String(this.status);
  }
}
