// Writes body bytes that are only borrowed from a read buffer to a socket: as a string when they are few, in place
// when the socket takes them at once or their buffer can stay lent, as a copy otherwise.

import type { Socket } from 'node:net';
import type { ReadBuffers } from './read-buffers.ts';

/** Up to here one string write (which copies into the kernel or into its own memory) is cheapest. */
export const SMALL_WRITE_BYTES = 8192;

/** Writes `bytes`; afterwards they may be overwritten, unless `buffers.lent` was set. */
export function writeBorrowed(socket: Socket, bytes: Buffer, buffers: ReadBuffers): void {
  if (bytes.length <= SMALL_WRITE_BYTES) {
    socket.write(bytes.latin1Slice(0, bytes.length), 'latin1');
    return;
  }
  const memory = bytes.buffer;
  const active = buffers.active;
  const isActive = active !== null && memory === active.buffer;
  const queued = socket.writableCorked > 0 || socket.writableLength > 0;
  if (memory === buffers.shared.buffer || (isActive && queued)) {
    socket.write(Buffer.from(bytes));
    return;
  }
  socket.write(bytes);
  if (isActive && socket.writableLength > 0) buffers.lent = true;
}

/** Bytes that can be kept until they are written: lent from their buffer where that is possible, a copy otherwise. */
export function ownBytes(bytes: Buffer, buffers: ReadBuffers): Buffer {
  const active = buffers.active;
  if (active === null || bytes.buffer !== active.buffer || bytes.length <= SMALL_WRITE_BYTES)
    return Buffer.from(bytes);
  buffers.lent = true;
  return bytes;
}
