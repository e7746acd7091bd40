// What an embedder gives the VM for one HTTP stream (or connection): header maps, bodies and control. The VM knows
// no proxy; a proxy's filter, a middleware or a test implements these interfaces. Same thread as the VM.

import type { Status } from '@dragoman/abi';
import type { PropertyValue } from './property-value.ts';

/**
 * One header or trailer map. Names are lower-case; values are latin1 strings, one char per byte; pseudo headers
 * (":path", ":status") are ordinary names. `@dragoman/http`'s HeaderMap is one.
 */
export interface GuestHeaderMap {
  /** All entries, pseudo headers included. */
  readonly count: number;
  /** The first value of that name. */
  get(name: string): string | undefined;
  /** One value, in place of all of that name; false (and no change) when name or value is not allowed. */
  set(name: string, value: string): boolean;
  /** One more entry; false (and no change) when name or value is not allowed. */
  add(name: string, value: string): boolean;
  remove(name: string): void;
  clear(): void;
  forEach(visit: (name: string, value: string) => void): void;
}

/** A body, or the part of it at hand, that a guest may read and change. */
export interface GuestBody {
  readonly length: number;
  /** Bytes in [start, start + length), clipped by the caller; may be a view into the body. */
  read(start: number, length: number): Uint8Array;
  /** Puts `bytes` (owned by the body from now on) in the place of `deleteCount` bytes at `start`. */
  splice(start: number, deleteCount: number, bytes: Buffer): void;
}

export interface LocalResponse {
  readonly status: number;
  /** Response code details, blanks already replaced; '' when the guest gave none. */
  readonly details: string;
  readonly body: Buffer;
  /** [name, value, name, value, ...], names in lower case, to be added to the response's own. */
  readonly headers: readonly string[];
  /** 0 to 16, or -1 for none. */
  readonly grpcStatus: number;
}

/** One stream. Every method is called while no guest code of this VM is running, unless it says otherwise. */
export interface StreamHost {
  /** Goes on with a paused request; nothing happens when it is not paused. */
  continueRequest(): void;
  continueResponse(): void;
  /** TCP: goes on with what the client has sent. */
  continueDownstream?(): void;
  /** Resets the stream, or closes that side of the connection (StreamType). */
  closeStream(streamType: number): void;
  sendLocalResponse(response: LocalResponse): void;
  /** The last of the call-outs started on behalf of the stream has been answered, and the guest has heard of it. */
  onCalloutsDone?(): void;
  /** The guest has died, of whatever stream: no callback comes any more, and nothing continues what it had paused. */
  onGuestDied?(): void;
  /** During the guest's call: the request's trailers, made now, or null where none can be. */
  createRequestTrailers(): GuestHeaderMap | null;
  /** During the guest's call: the response's trailers, made now, or null where none can be. */
  createResponseTrailers(): GuestHeaderMap | null;
  /** During the guest's call: the request headers have been changed, the route must be looked up again. */
  clearRouteCache(): void;
  /** During the guest's call: the value at `path`; undefined when there is none. */
  getProperty(path: readonly string[]): PropertyValue;
  /** During the guest's call: `key` is the guest's raw path, `value` owned by the host. */
  setProperty(key: string, value: Buffer): Status;
}
