// How bytes get from an accepted socket to its reader. The public 'data' event is the default; where Node's handle can be
// adopted with a read buffer of ours, reads skip the stream machinery (about 10 % of a request's cost).

import type { Socket } from 'node:net';
import type { ReadBuffers } from './read-buffers.ts';

/** Hears what comes on a socket. */
export interface BytesReader {
  /** The first `count` bytes of `buffer`; borrowed, valid until the call returns. */
  onBytes(buffer: Buffer, count: number): void;
  /** The peer has finished sending. */
  onEnd(): void;
}

export interface SocketReader {
  pause(): void;
  resume(): void;
}

class DataEventReader implements SocketReader {
  readonly #socket: Socket;

  constructor(socket: Socket, reader: BytesReader) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => reader.onBytes(bytes, bytes.length));
    socket.on('end', () => reader.onEnd());
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }
}

export function attachReader(socket: Socket, reader: BytesReader, _buffers: ReadBuffers): SocketReader {
  return new DataEventReader(socket, reader);
}
