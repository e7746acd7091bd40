// How bytes get from an accepted socket to their consumer. Where Node's socket handle can be adopted, a new socket around
// it reads into the worker's buffers (about 10 % of a request's cost less); everywhere else the public 'data' event serves.

import { Socket } from 'node:net';
import { BufferedRead, type BytesConsumer } from './buffered-read.ts';
import type { ReadBuffers } from './read-buffers.ts';

/** Hears what comes on a socket. */
export interface BytesReader extends BytesConsumer {
  /** The peer has finished sending. */
  onEnd(): void;
}

/** An accepted socket with its read side attached. Write to `socket`, which need not be the one that was accepted. */
export interface ReadingSocket {
  readonly socket: Socket;
  /** A body is being streamed through. */
  setStreaming(streaming: boolean): void;
  pause(): void;
  resume(): void;
  release(): void;
  /** Stops reading and gives the socket away, paused, with `bytes` put back into it. */
  detach(bytes: Buffer): Socket;
}

class DataEventSocket implements ReadingSocket {
  readonly socket: Socket;

  constructor(socket: Socket, reader: BytesReader) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => reader.onBytes(bytes, bytes.length));
    socket.on('end', () => reader.onEnd());
  }

  setStreaming(): void {}

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  release(): void {}

  detach(bytes: Buffer): Socket {
    return putBack(this.socket, bytes);
  }
}

/** Nobody reads the socket any more; its next bytes are these. */
function putBack(socket: Socket, bytes: Buffer): Socket {
  socket.removeAllListeners('data');
  socket.pause();
  socket.unshift(bytes);
  return socket;
}

class AdoptedSocket implements ReadingSocket {
  readonly socket: Socket;
  readonly #read: BufferedRead;

  constructor(handle: object, reader: BytesReader, buffers: ReadBuffers) {
    this.#read = new BufferedRead(reader, buffers);
    const options = {
      handle,
      readable: true,
      writable: true,
      allowHalfOpen: true,
      onread: this.#read.onread,
    };
    this.socket = new Socket(options as ConstructorParameters<typeof Socket>[0]);
    this.socket.on('end', () => reader.onEnd());
    this.socket.resume();
  }

  setStreaming(streaming: boolean): void {
    this.#read.streaming = streaming;
  }

  pause(): void {
    this.#read.paused = true;
    this.socket.pause();
  }

  resume(): void {
    this.#read.paused = false;
    this.socket.resume();
  }

  release(): void {
    this.#read.release();
  }

  detach(bytes: Buffer): Socket {
    this.pause();
    this.#read.release();
    return putBack(this.socket, bytes);
  }
}

/** Node versions on which the tests of this file have seen adoption work. */
const ADOPTING_MAJOR = 26;
const mayAdopt = Number(process.versions.node.split('.')[0]) === ADOPTING_MAJOR;

/** What adoption needs of Node's own socket handle. */
interface SocketHandle {
  reading: boolean;
  readStop(): number;
  readStart(): number;
  useUserBuffer(buffer: Uint8Array): void;
}

/** The handle of a plain socket nobody has read from, taken out of it; null when it is not to be had. */
function takeHandle(socket: Socket): object | null {
  const holder = socket as unknown as { _handle: Partial<SocketHandle> | null };
  const handle = holder._handle;
  if (!mayAdopt || socket.constructor !== Socket || handle === null || handle === undefined) return null;
  if (typeof handle.readStop !== 'function' || typeof handle.useUserBuffer !== 'function') return null;
  if (socket.readableLength > 0 || socket.readableFlowing !== null) return null;
  handle.readStop();
  handle.reading = false;
  holder._handle = null;
  // Destroying the emptied socket keeps the server's count of connections right; the handle is not touched.
  socket.destroy();
  return handle;
}

/** Attaches `reader` to an accepted socket; `adopt: false` keeps to the public interface. */
export function attachReader(
  socket: Socket,
  reader: BytesReader,
  buffers: ReadBuffers,
  adopt = true,
): ReadingSocket {
  const handle = adopt ? takeHandle(socket) : null;
  return handle === null ? new DataEventSocket(socket, reader) : new AdoptedSocket(handle, reader, buffers);
}
