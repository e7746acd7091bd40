// Reads the server name and the application protocols out of a TLS ClientHello that has not been consumed (RFC 8446 4.1.2,
// RFC 6066 3, RFC 7301 3.1). Strict and bounded: every length is checked against what contains it, and nothing past
// MAX_CLIENT_HELLO_BYTES is waited for. The handshake itself is Node's.

/** Envoy's TLS_MAX_CLIENT_HELLO: longer ones are refused. */
export const MAX_CLIENT_HELLO_BYTES = 16 * 1024;

export interface ClientHello {
  /** Lower-case name, or ''. */
  readonly serverName: string;
  /** What the client offers by ALPN, in its order. */
  readonly applicationProtocols: readonly string[];
}

export const HelloResult = {
  /** More bytes are needed. */
  Incomplete: 'incomplete',
  /** The first bytes are no TLS handshake. */
  NotTls: 'not tls',
  /** It began as one, and is malformed. */
  Malformed: 'malformed',
  TooLarge: 'too large',
} as const;
export type HelloResult = (typeof HelloResult)[keyof typeof HelloResult];

const RECORD_HANDSHAKE = 22;
const RECORD_HEADER_BYTES = 5;
const MAX_RECORD_BYTES = 16 * 1024;
const HANDSHAKE_CLIENT_HELLO = 1;
const HANDSHAKE_HEADER_BYTES = 4;
const EXTENSION_SERVER_NAME = 0;
const EXTENSION_ALPN = 16;
const NAME_TYPE_HOST = 0;
const EMPTY: ClientHello = { serverName: '', applicationProtocols: [] };

/** A vector that claims more than there is. Never leaves this file. */
class ShortVector extends Error {}

/** Goes through nested vectors; leaving one is an error. */
class Cursor {
  readonly #bytes: Buffer;
  #offset: number;
  readonly #end: number;

  constructor(bytes: Buffer, offset: number, end: number) {
    this.#bytes = bytes;
    this.#offset = offset;
    this.#end = end;
  }

  get atEnd(): boolean {
    return this.#offset === this.#end;
  }

  integer(size: number): number {
    const at = this.skip(size);
    return this.#bytes.readUIntBE(at, size);
  }

  /** Moves past `size` bytes; answers where they begin. */
  skip(size: number): number {
    const at = this.#offset;
    if (at + size > this.#end) throw new ShortVector();
    this.#offset = at + size;
    return at;
  }

  /** The content of a vector whose length is told in `lengthSize` bytes. */
  vector(lengthSize: number): Cursor {
    const length = this.integer(lengthSize);
    const at = this.skip(length);
    return new Cursor(this.#bytes, at, at + length);
  }

  text(): string {
    return this.#bytes.toString('latin1', this.#offset, this.#end);
  }
}

/** Looks at the first bytes of a connection. `bytes` is everything that has come so far. */
export function readClientHello(bytes: Buffer, maxBytes = MAX_CLIENT_HELLO_BYTES): ClientHello | HelloResult {
  if (bytes.length > 0 && bytes[0] !== RECORD_HANDSHAKE) return HelloResult.NotTls;
  if (bytes.length > 1 && bytes[1] !== 3) return HelloResult.NotTls;
  const message = handshakeMessage(bytes, maxBytes);
  if (!Buffer.isBuffer(message)) return message;
  try {
    return parseHello(message);
  } catch (error) {
    if (error instanceof ShortVector) return HelloResult.Malformed;
    throw error;
  }
}

/** The ClientHello message put together from its records, without its header. */
function handshakeMessage(bytes: Buffer, maxBytes: number): Buffer | HelloResult {
  const fragments: Buffer[] = [];
  let gathered = 0;
  let needed = HANDSHAKE_HEADER_BYTES;
  for (let offset = 0; gathered < needed; ) {
    if (bytes.length - offset < RECORD_HEADER_BYTES) return missing(bytes, maxBytes);
    if (bytes[offset] !== RECORD_HANDSHAKE || bytes[offset + 1] !== 3) return HelloResult.Malformed;
    const length = bytes.readUInt16BE(offset + 3);
    if (length === 0 || length > MAX_RECORD_BYTES) return HelloResult.Malformed;
    const start = offset + RECORD_HEADER_BYTES;
    const fragment = bytes.subarray(start, Math.min(start + length, bytes.length));
    fragments.push(fragment);
    gathered += fragment.length;
    if (needed === HANDSHAKE_HEADER_BYTES && gathered >= HANDSHAKE_HEADER_BYTES) {
      const head = Buffer.concat(fragments);
      if (head[0] !== HANDSHAKE_CLIENT_HELLO) return HelloResult.Malformed;
      needed = HANDSHAKE_HEADER_BYTES + head.readUIntBE(1, 3);
      if (needed > maxBytes) return HelloResult.TooLarge;
    }
    if (gathered < needed && fragment.length < length) return missing(bytes, maxBytes);
    offset = start + length;
  }
  return Buffer.concat(fragments).subarray(HANDSHAKE_HEADER_BYTES, needed);
}

function missing(bytes: Buffer, maxBytes: number): HelloResult {
  return bytes.length > 2 * maxBytes ? HelloResult.TooLarge : HelloResult.Incomplete;
}

function parseHello(message: Buffer): ClientHello {
  const hello = new Cursor(message, 0, message.length);
  hello.skip(2); // legacy_version
  hello.skip(32); // random
  hello.vector(1); // legacy_session_id
  hello.vector(2); // cipher_suites
  hello.vector(1); // legacy_compression_methods
  if (hello.atEnd) return EMPTY;
  const extensions = hello.vector(2);
  let serverName = '';
  let applicationProtocols: string[] = [];
  while (!extensions.atEnd) {
    const type = extensions.integer(2);
    const content = extensions.vector(2);
    if (type === EXTENSION_SERVER_NAME) serverName = readServerName(content);
    else if (type === EXTENSION_ALPN) applicationProtocols = readProtocols(content);
  }
  return { serverName, applicationProtocols };
}

function readServerName(content: Cursor): string {
  const names = content.vector(2);
  while (!names.atEnd) {
    const type = names.integer(1);
    const name = names.vector(2).text();
    if (type === NAME_TYPE_HOST) return /^[!-~]+$/.test(name) ? name.toLowerCase() : '';
  }
  return '';
}

function readProtocols(content: Cursor): string[] {
  const list = content.vector(2);
  const protocols: string[] = [];
  while (!list.atEnd) protocols.push(list.vector(1).text());
  return protocols;
}
