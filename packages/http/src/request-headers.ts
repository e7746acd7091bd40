// Request headers: a header map with the pseudo headers as plain fields. The Host header is `authority` and never
// appears among the lines.

import type { HeadTable } from './head-table.ts';
import type { HeaderCase } from './header-case.ts';
import { HeaderMap } from './header-map.ts';
import { isAuthority, isHeaderName, isRequestTarget, lowerCaseName } from './header-validation.ts';
import { JOINED_IN_REQUESTS } from './joined-names.ts';

const COLON = 0x3a;
const SLASH = 0x2f;

/**
 * Pseudo names (":path", ...) work in get, getAll, has, set and remove, and `host` stands for `:authority`; they cannot be
 * added. Assigning the fields directly is not validated: for the proxy's own code.
 */
export class RequestHeaders extends HeaderMap {
  method = '';
  /** Path and query, `*` for OPTIONS, '' for CONNECT. An absolute-form target without path but with query gives "?query". */
  path = '';
  authority = '';
  scheme = 'http';
  /** `:protocol` of an extended CONNECT (RFC 8441), or ''. */
  protocol = '';
  /** How names are written where they go out over HTTP/1; null = as that side writes its own. */
  headerCase: HeaderCase | null = null;
  /** The value of the Host line that stands in the head as it came, or null. */
  #hostInPlace: string | null = null;

  /** A request of [name, value, ...] with pseudo names or `host` among them; nothing is validated. */
  static override fromPairs(pairs: readonly string[]): RequestHeaders {
    const headers = new RequestHeaders();
    for (let i = 0; i < pairs.length; i += 2) {
      const name = lowerCaseName(pairs[i]);
      if (!headers.#assign(name, pairs[i + 1]))
        headers.addLine(`${name}: ${pairs[i + 1]}\r\n`, name, pairs[i + 1]);
    }
    return headers;
  }

  override get(name: string): string | undefined {
    if (!isPseudo(name)) return super.get(name);
    const value = this.#pseudo(name);
    return value === '' ? undefined : value;
  }

  override getAll(name: string): string[] {
    if (!isPseudo(name)) return super.getAll(name);
    const value = this.#pseudo(name);
    return value === undefined || value === '' ? [] : [value];
  }

  override has(name: string): boolean {
    return isPseudo(name) ? this.get(name) !== undefined : super.has(name);
  }

  override set(name: string, value: string): boolean {
    if (!isPseudo(name)) return super.set(name, value);
    return isPseudoValue(name.toLowerCase(), value) && this.#assign(name.toLowerCase(), value);
  }

  override add(name: string, value: string): boolean {
    return !isPseudo(name) && super.add(name, value);
  }

  override remove(name: string): number {
    if (!isPseudo(name)) return super.remove(name);
    return this.get(name) !== undefined && this.#assign(name.toLowerCase(), '') ? 1 : 0;
  }

  override clear(): void {
    super.clear();
    this.method = this.path = this.authority = this.scheme = this.protocol = '';
  }

  protected override get joined(): Int32Array {
    return JOINED_IN_REQUESTS;
  }

  override get count(): number {
    let count = this.lineCount;
    if (this.authority !== '') count++;
    if (this.path !== '') count++;
    if (this.method !== '') count++;
    if (this.scheme !== '') count++;
    return this.protocol === '' ? count : count + 1;
  }

  override forEach(visit: (name: string, value: string) => void): void {
    if (this.authority !== '') visit(':authority', this.authority);
    if (this.path !== '') visit(':path', this.path);
    if (this.method !== '') visit(':method', this.method);
    if (this.scheme !== '') visit(':scheme', this.scheme);
    if (this.protocol !== '') visit(':protocol', this.protocol);
    this.forEachLine(visit);
  }

  /** `GET /path HTTP/1.1` with its CR LF; a CONNECT names the authority. */
  requestLine(): string {
    return `${this.method} ${this.path === '' ? this.authority : this.path} HTTP/1.1\r\n`;
  }

  /** The header lines, Host among them: in its own place when it is untouched, first otherwise, or gone if it was removed. */
  override serialize(): string {
    if (this.#hostInPlace !== null) {
      if (this.authority === this.#hostInPlace) return super.serialize();
      this.removeHostLine();
      this.#hostInPlace = null;
    }
    return this.authority === '' ? super.serialize() : `host: ${this.authority}\r\n${super.serialize()}`;
  }

  override copy(): RequestHeaders {
    const copy = this.copyLinesTo(new RequestHeaders());
    copy.method = this.method;
    copy.path = this.path;
    copy.authority = this.authority;
    copy.scheme = this.scheme;
    copy.protocol = this.protocol;
    copy.headerCase = this.headerCase;
    copy.#hostInPlace = this.#hostInPlace;
    return copy;
  }

  /** Codec only. `hostInPlace` is the value of the Host line among the lines, or null when there is none. */
  adoptRequest(text: string, table: HeadTable, hostInPlace: string | null): void {
    this.adopt(text, table);
    this.#hostInPlace = hostInPlace;
    this.protocol = '';
  }

  override reset(): void {
    super.reset();
    this.headerCase = null;
    this.method = '';
    this.path = '';
    this.authority = '';
    this.scheme = 'http';
    this.protocol = '';
    this.#hostInPlace = null;
  }

  #pseudo(name: string): string | undefined {
    switch (name.toLowerCase()) {
      case ':authority':
      case 'host':
        return this.authority;
      case ':path':
        return this.path;
      case ':method':
        return this.method;
      case ':scheme':
        return this.scheme;
      case ':protocol':
        return this.protocol;
      default:
        return undefined;
    }
  }

  #assign(name: string, value: string): boolean {
    switch (name) {
      case ':authority':
      case 'host':
        this.authority = value;
        return true;
      case ':path':
        this.path = value;
        return true;
      case ':method':
        this.method = value;
        return true;
      case ':scheme':
        this.scheme = value;
        return true;
      case ':protocol':
        this.protocol = value;
        return true;
      default:
        return false;
    }
  }
}

function isPseudo(name: string): boolean {
  return name.charCodeAt(0) === COLON || (name.length === 4 && name.toLowerCase() === 'host');
}

function isPseudoValue(name: string, value: string): boolean {
  switch (name) {
    case ':authority':
    case 'host':
      return isAuthority(value);
    case ':path':
      return isRequestTarget(value) && (value.charCodeAt(0) === SLASH || value === '*');
    case ':method':
    case ':protocol':
    case ':scheme':
      return isHeaderName(value);
    default:
      return false;
  }
}
