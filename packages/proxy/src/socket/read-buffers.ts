// The memory sockets of one worker read into. Heads and small bodies go through one buffer shared by all
// sockets, valid only inside the read callback; a connection that streams a body gets a buffer of its own,
// so that bytes a slow peer has not taken yet can stay where they are instead of being copied.

/** One read's worth; also what libuv offers the kernel at most. */
export const READ_BUFFER_BYTES = 65_536;
/** Private buffers kept for reuse per worker: 64 x 64 KiB = 4 MiB at most. */
const MAX_POOLED_BUFFERS = 64;

export class ReadBuffers {
  readonly shared: Buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  readonly #pool: Buffer[] = [];
  /** The private buffer whose bytes are being handed on right now; null outside such a read. */
  active: Buffer | null = null;
  /** Set by a writer that left bytes of `active` in a socket's queue. */
  lent = false;

  take(): Buffer {
    return this.#pool.pop() ?? Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
  }

  give(buffer: Buffer): void {
    if (this.#pool.length < MAX_POOLED_BUFFERS) this.#pool.push(buffer);
  }
}
