// gRPC messages in a body: a flag byte, a length, the message. Bytes come in whatever pieces the connection makes.

const PREFIX_BYTES = 5;

/** A message as it stands in a body, uncompressed. */
export function grpcFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, PREFIX_BYTES);
  return frame;
}

/** Why a body is no sequence of messages that can be read. */
export type FramingError = 'compressed message' | 'invalid flags' | 'message over the limit';

/** Takes the messages out of one body. */
export class GrpcMessageReader {
  readonly #maxMessageBytes: number;
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixLength = 0;
  #message: Buffer | null = null;
  #messageLength = 0;
  /** Set once; nothing is read after it. */
  error: FramingError | null = null;

  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** False in the middle of a message. */
  get atBoundary(): boolean {
    return this.#message === null && this.#prefixLength === 0;
  }

  /** `bytes` is borrowed, messages are the receiver's. Stops early where `onMessage` answers false. */
  read(bytes: Buffer, onMessage: (message: Buffer) => boolean): void {
    let offset = 0;
    while (this.error === null && (offset < bytes.length || this.#message?.length === this.#messageLength)) {
      if (this.#message === null) {
        offset += this.#readPrefix(bytes, offset);
        continue;
      }
      const message = this.#message;
      const count = bytes.copy(message, this.#messageLength, offset);
      offset += count;
      this.#messageLength += count;
      if (this.#messageLength < message.length) return;
      this.#message = null;
      if (!onMessage(message)) return;
    }
  }

  #readPrefix(bytes: Buffer, offset: number): number {
    const count = bytes.copy(this.#prefix, this.#prefixLength, offset);
    this.#prefixLength += count;
    if (this.#prefixLength < PREFIX_BYTES) return count;
    this.#prefixLength = 0;
    const flags = this.#prefix[0];
    const length = this.#prefix.readUInt32BE(1);
    if (flags > 1) this.error = 'invalid flags';
    else if (flags === 1 && length > 0) this.error = 'compressed message';
    else if (length > this.#maxMessageBytes) this.error = 'message over the limit';
    else {
      this.#message = Buffer.allocUnsafe(length);
      this.#messageLength = 0;
    }
    return count;
  }
}
