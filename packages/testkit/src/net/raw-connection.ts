// One TCP connection as a test wants it: send bytes, wait for bytes, see how it ended. The same for both ends.

import { connect, type Socket } from 'node:net';

/** A wait that takes longer than this is a failure, told with what has come so far. */
const PATIENCE_MS = 5000;

/** One HTTP/1 message as it came. */
export interface RawMessage {
  readonly startLine: string;
  /** Lines as they came, without the start line. */
  readonly headerLines: readonly string[];
  /** Values by lower-case name. */
  readonly headers: ReadonlyMap<string, string[]>;
  /** Decoded when it was chunked. */
  readonly body: string;
}

type End = 'open' | 'fin' | 'reset';

export class RawConnection {
  readonly socket: Socket;
  /** Bytes that came and nobody has taken yet, as latin1. */
  #received = '';
  #end: End = 'open';
  #onChange: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', bytes => {
      this.#received += bytes.toString('latin1');
      this.#onChange();
    });
    socket.on('end', () => this.#ended('fin'));
    socket.on('error', () => this.#ended('reset'));
    socket.on('close', () => this.#ended('fin'));
  }

  static connect(port: number, host = '127.0.0.1'): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host, allowHalfOpen: true }, () => resolve(new RawConnection(socket)));
      socket.once('error', reject);
    });
  }

  /** Sends text as latin1, or bytes. */
  send(data: string | Uint8Array): void {
    if (typeof data === 'string') this.socket.write(data, 'latin1');
    else this.socket.write(data);
  }

  /** Half-closes: nothing more will be sent. */
  finish(): void {
    this.socket.end();
  }

  /** Closes without delay; `reset` sends RST instead of FIN. */
  close(reset = false): void {
    if (reset) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  /** Waits until `text` has come and takes everything up to its end. */
  readUntil(text: string): Promise<string> {
    return this.#take(`"${text}"`, () => {
      const at = this.#received.indexOf(text);
      return at < 0 ? 0 : at + text.length;
    });
  }

  /** Takes exactly so many bytes. */
  read(length: number): Promise<string> {
    if (length === 0) return Promise.resolve('');
    return this.#take(`${length} bytes`, () => (this.#received.length >= length ? length : 0));
  }

  /** Waits for the other side's end and takes everything that came before it. */
  async readToEnd(): Promise<string> {
    await this.closed();
    const all = this.#received;
    this.#received = '';
    return all;
  }

  /** Resolves when the other side has ended the connection, and says how. */
  async closed(): Promise<'fin' | 'reset'> {
    await this.#wait('the end', () => this.#end !== 'open');
    return this.#end as 'fin' | 'reset';
  }

  /** Whether the other side still holds the connection, as far as is known. */
  get isOpen(): boolean {
    return this.#end === 'open';
  }

  /**
   * Reads one message. A body without length is read to the end for a response; `bodiless` for an answer to HEAD.
   */
  async readMessage(options: { bodiless?: boolean } = {}): Promise<RawMessage> {
    const head = await this.readUntil('\r\n\r\n');
    const [startLine, ...headerLines] = head.slice(0, -4).split('\r\n') as [string, ...string[]];
    const headers = new Map<string, string[]>();
    for (const line of headerLines) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      headers.set(name, [...(headers.get(name) ?? []), line.slice(colon + 1).trim()]);
    }
    return {
      startLine,
      headerLines,
      headers,
      body: await this.#readBody(startLine, headers, options.bodiless),
    };
  }

  async #readBody(startLine: string, headers: Map<string, string[]>, bodiless = false): Promise<string> {
    const isResponse = startLine.startsWith('HTTP/');
    if (bodiless || (isResponse && / (1\d\d|204|304) /.test(startLine))) return '';
    if (headers.get('transfer-encoding')?.includes('chunked')) return this.#readChunks();
    const length = headers.get('content-length')?.[0];
    if (length !== undefined) return this.read(Number(length));
    return isResponse ? this.readToEnd() : '';
  }

  async #readChunks(): Promise<string> {
    let body = '';
    for (;;) {
      const size = Number.parseInt(await this.readUntil('\r\n'), 16);
      if (size === 0) break;
      body += await this.read(size);
      await this.readUntil('\r\n');
    }
    // Trailers, then an empty line.
    while ((await this.readUntil('\r\n')) !== '\r\n');
    return body;
  }

  /** Waits until `lengthReady` says how much there is to take. */
  async #take(what: string, lengthReady: () => number): Promise<string> {
    await this.#wait(what, () => lengthReady() > 0 || this.#end !== 'open');
    const length = lengthReady();
    if (length === 0)
      throw new Error(
        `the connection ended (${this.#end}) before ${what} came; there was: ${this.#received}`,
      );
    const taken = this.#received.slice(0, length);
    this.#received = this.#received.slice(length);
    return taken;
  }

  #wait(what: string, ready: () => boolean): Promise<void> {
    if (ready()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const patience = setTimeout(() => {
        this.#onChange = () => {};
        reject(new Error(`${what} did not come within ${PATIENCE_MS} ms; there was: ${this.#received}`));
      }, PATIENCE_MS);
      this.#onChange = () => {
        if (!ready()) return;
        clearTimeout(patience);
        this.#onChange = () => {};
        resolve();
      };
    });
  }

  #ended(how: End): void {
    if (this.#end === 'open') this.#end = how;
    this.#onChange();
  }
}
