// A plugin on one TCP connection: turns the network filter's callbacks into the guest's, and what the guest asks for into
// calls on the connection (ABI reference 4.5).

import { PeerType, Status, StreamType } from '@dragoman/abi';
import type { BodyBuffer } from '@dragoman/http';
import {
  type ClosingPeer,
  type FilteredConnectionView,
  type NetworkFilter,
  NetworkStatus,
} from '@dragoman/proxy';
import {
  FAILED,
  type GuestBody,
  type GuestHeaderMap,
  type PropertyValue,
  type RootContext,
  type StreamContext,
  type StreamHost,
} from '@dragoman/vm';
import { InfoAttributes } from './connection-properties.ts';
import type { WasmNetworkFilterInstance } from './network-filter-type.ts';

const FAILURE_DETAILS = 'wasm_fail_stream';

export class WasmNetworkFilter implements NetworkFilter, StreamHost {
  readonly #instance: WasmNetworkFilterInstance;
  readonly #connection: FilteredConnectionView;
  #context: StreamContext | null = null;
  #attributes: InfoAttributes | null = null;
  /** The guest has no say in this connection any more. */
  #bypassed = false;
  /** The guest has answered Pause to what the client sent. */
  #paused = false;

  constructor(instance: WasmNetworkFilterInstance, connection: FilteredConnectionView) {
    this.#instance = instance;
    this.#connection = connection;
  }

  // --- the filter chain ---

  onNewConnection(): NetworkStatus {
    const root = this.#instance.plugin.acquire();
    if (root === null || !this.#begin(root)) return this.#fail();
    return this.#answer(this.#context!.onNewConnection());
  }

  onData(data: BodyBuffer, endStream: boolean): NetworkStatus {
    if (this.#bypassed || this.#context === null) return NetworkStatus.Continue;
    return this.#answer(this.#context.onDownstreamData(new ConnectionBytes(data), endStream));
  }

  onWrite(data: BodyBuffer, endStream: boolean): NetworkStatus {
    if (this.#bypassed || this.#context === null) return NetworkStatus.Continue;
    const status = this.#context.onUpstreamData(new ConnectionBytes(data), endStream);
    if (status === FAILED) return this.#fail();
    // Envoy tells no more about the end of the upstream, and when: the upstream has finished, why is not known.
    if (endStream) this.#context.onUpstreamConnectionClose(PeerType.Unknown);
    return status === 0 ? NetworkStatus.Continue : NetworkStatus.StopIteration;
  }

  onClose(peer: ClosingPeer): void {
    const context = this.#context;
    if (context === null) return;
    if (!this.#bypassed)
      context.onDownstreamConnectionClose(peer === 'local' ? PeerType.Local : PeerType.Remote);
    context.endConnection();
    this.#context = null;
    this.#bypassed = true;
  }

  #begin(root: RootContext): boolean {
    this.#context = root.vm.newStream();
    return this.#context.begin(root, this);
  }

  #answer(status: number): NetworkStatus {
    if (status === FAILED) return this.#fail();
    this.#paused = status !== 0;
    return this.#paused ? NetworkStatus.StopIteration : NetworkStatus.Continue;
  }

  /** Fail open: the connection goes on without the plugin, unless the guest died half-way through changing it. */
  #fail(): NetworkStatus {
    const context = this.#context;
    const { plugin } = this.#instance;
    this.#bypassed = true;
    this.#paused = false;
    if (plugin.settings.failurePolicy === 'open' && !(context?.diedHere && context.mutated)) {
      plugin.noteBypass();
      return NetworkStatus.Continue;
    }
    const cause = context?.vm.failure?.cause;
    this.#connection.close(cause === undefined ? FAILURE_DETAILS : `${FAILURE_DETAILS}{${cause}}`);
    return NetworkStatus.StopIteration;
  }

  // --- what the guest asks for ---

  continueDownstream(): void {
    this.#paused = false;
    this.#connection.continueReading(this);
  }

  closeStream(streamType: number): void {
    if (streamType === StreamType.Downstream) this.#connection.close('wasm_downstream_close');
    else if (streamType === StreamType.Upstream) this.#connection.close('wasm_upstream_close');
  }

  /** Nobody else would let go what the guest has paused. */
  onGuestDied(): void {
    if (!this.#paused || this.#bypassed) return;
    if (this.#fail() === NetworkStatus.Continue) this.#connection.continueReading(this);
  }

  getProperty(path: readonly string[]): PropertyValue {
    if (this.#context === null) return undefined;
    this.#attributes ??= new InfoAttributes(this.#connection.streamInfo, null, this.#instance, this.#context);
    return this.#attributes.read(path);
  }

  setProperty(key: string, value: Buffer): Status {
    const { info, streamInfo } = this.#connection;
    streamInfo.setFilterState(`wasm.${key}`, value);
    // Requests on the connection begin with it.
    info.filterState = streamInfo.filterState!;
    return Status.Ok;
  }

  // A connection has no request, no response and nothing to answer with: these succeed without effect, as in Envoy.
  continueRequest(): void {}
  continueResponse(): void {}
  sendLocalResponse(): void {}
  clearRouteCache(): void {}
  createRequestTrailers(): GuestHeaderMap | null {
    return null;
  }
  createResponseTrailers(): GuestHeaderMap | null {
    return null;
  }
}

/** Bytes of a connection as a guest sees them. */
class ConnectionBytes implements GuestBody {
  readonly #bytes: BodyBuffer;

  constructor(bytes: BodyBuffer) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.#bytes.length;
  }

  read(start: number, length: number): Uint8Array {
    return this.#bytes.slice(start, length);
  }

  splice(start: number, deleteCount: number, bytes: Buffer): void {
    this.#bytes.replaceRange(start, deleteCount, bytes);
  }
}
