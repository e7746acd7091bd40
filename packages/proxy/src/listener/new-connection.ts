// An accepted socket on its way to a filter chain: the listener filters look at its first bytes and put them back, a chain is
// chosen, and TLS is spoken where the chain says so. Nothing else of the proxy sees the connection before that.

import type { Socket } from 'node:net';
import { Timer } from '@dragoman/base';
import type { DownstreamConnectionInfo, TlsConnectionInfo } from '../filter-chain/stream-info.ts';
import { type ClientHello, HelloResult, readClientHello } from '../listener-filter/client-hello.ts';
import { readHttpVersion } from '../listener-filter/http-version.ts';
import {
  type ProxiedAddresses,
  ProxyHeaderResult,
  readProxyHeader,
} from '../listener-filter/proxy-protocol.ts';
import type { HandshakeHandler } from '../tls/downstream-tls.ts';
import type { ListenerChains, NetworkChain } from './network-chain.ts';

/** The listener, as connections under way see it. */
export interface NewConnectionOwner {
  /** `socket` speaks in the clear from here on; a paused one has bytes put back into it. */
  onReady(
    connection: NewConnection,
    chain: NetworkChain,
    socket: Socket,
    info: DownstreamConnectionInfo,
  ): void;
  /** The TLS handshake begins: the connection counts from now on. */
  onHandshake(connection: NewConnection): void;
  onHandshakeFailed(connection: NewConnection, chain: NetworkChain, reason: string, timedOut: boolean): void;
  onNoChain(connection: NewConnection, info: DownstreamConnectionInfo): void;
  /** Closed while the listener filters still looked. */
  onLost(connection: NewConnection, why: 'error' | 'remote close' | 'timeout'): void;
}

/** Addresses of a connection; the PROXY protocol may replace them. */
export interface ConnectionAddresses extends ProxiedAddresses {
  readonly directRemoteAddress: string;
}

const Step = { ProxyProtocol: 0, Tls: 1, Http: 2, Chain: 3, Hello: 4, Done: 5 } as const;

export class NewConnection implements HandshakeHandler {
  readonly #socket: Socket;
  readonly #chains: ListenerChains;
  readonly #owner: NewConnectionOwner;
  readonly #id: number;
  readonly #timer: Timer;
  readonly #onData = (bytes: Buffer): void => this.#read(bytes);
  readonly #onError = (): void => this.#lose('error');
  readonly #onEnd = (): void => this.#lose('remote close');
  #addresses: ConnectionAddresses;
  #bytes: Buffer = EMPTY;
  #step: number = Step.ProxyProtocol;
  #hello: ClientHello | null = null;
  #tlsFound = false;
  #httpProtocol = '';
  #chain: NetworkChain | null = null;
  #looking = false;

  constructor(
    socket: Socket,
    addresses: ConnectionAddresses,
    id: number,
    chains: ListenerChains,
    owner: NewConnectionOwner,
  ) {
    this.#socket = socket;
    this.#addresses = addresses;
    this.#id = id;
    this.#chains = chains;
    this.#owner = owner;
    this.#timer = new Timer(() => this.#onTimeout());
  }

  /** Goes as far as is possible without bytes. */
  start(): void {
    if (this.#advance()) return;
    const { filters, timers } = this.#chains;
    this.#looking = true;
    this.#socket.on('data', this.#onData);
    this.#socket.on('error', this.#onError);
    this.#socket.on('end', this.#onEnd);
    this.#socket.on('close', this.#onEnd);
    if (filters.timeoutMs > 0) timers.start(this.#timer, filters.timeoutMs);
  }

  destroy(): void {
    this.#stopLooking();
    this.#socket.destroy();
  }

  // --- listener filters ---

  #read(bytes: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? bytes : Buffer.concat([this.#bytes, bytes]);
    this.#advance();
  }

  /** Goes on as far as the bytes allow. True: the connection has gone on, or is lost. */
  #advance(): boolean {
    while (this.#step !== Step.Done) {
      if (!this.#take()) return this.lost;
      this.#step++;
    }
    this.#deliver();
    return true;
  }

  get lost(): boolean {
    return this.#step === Step.Done;
  }

  /** Takes the current step. False: more bytes are needed, or the connection is lost. */
  #take(): boolean {
    switch (this.#step) {
      case Step.ProxyProtocol:
        return this.#readProxyHeader();
      case Step.Tls:
        return this.#inspectTls();
      case Step.Http:
        return this.#inspectHttp();
      case Step.Chain:
        return this.#choose();
      default:
        return this.#readHello();
    }
  }

  #readProxyHeader(): boolean {
    const filter = this.#chains.filters.proxyProtocol;
    if (filter === null || filter.disabled(this.#addresses.localPort)) return true;
    const header = readProxyHeader(this.#bytes);
    const { lane } = filter;
    switch (header) {
      case ProxyHeaderResult.Incomplete:
        return false;
      case ProxyHeaderResult.Absent:
        lane.inc(filter.allowsAbsence ? filter.notFoundAllowed : filter.notFoundDisallowed);
        if (!filter.allowsAbsence) this.#lose('error');
        return filter.allowsAbsence;
      case ProxyHeaderResult.MalformedV1:
      case ProxyHeaderResult.MalformedV2:
        lane.inc(filter.error[header === ProxyHeaderResult.MalformedV1 ? 1 : 2]);
        this.#lose('error');
        return false;
    }
    const { version, length, addresses } = header;
    if (filter.disallowedVersions.has(version)) {
      lane.inc(filter.disallowed[version]);
      // With allow_requests_without_proxy_protocol the bytes count as the client's own, as in Envoy.
      if (filter.allowsAbsence) return true;
      this.#lose('error');
      return false;
    }
    lane.inc(filter.found[version]);
    this.#bytes = this.#bytes.subarray(length);
    if (addresses !== null)
      this.#addresses = { ...addresses, directRemoteAddress: this.#addresses.directRemoteAddress };
    return true;
  }

  #inspectTls(): boolean {
    const inspector = this.#chains.filters.tlsInspector;
    if (inspector === null || inspector.disabled(this.#addresses.localPort)) return true;
    const hello = readClientHello(this.#bytes, inspector.maxHelloBytes);
    if (hello === HelloResult.Incomplete) return false;
    const { lane } = inspector;
    if (typeof hello === 'object') {
      this.#hello = hello;
      this.#tlsFound = true;
      lane.inc(inspector.tlsFound);
      lane.inc(hello.serverName === '' ? inspector.sniNotFound : inspector.sniFound);
      lane.inc(hello.applicationProtocols.length === 0 ? inspector.alpnNotFound : inspector.alpnFound);
      return true;
    }
    lane.inc(hello === HelloResult.TooLarge ? inspector.clientHelloTooLarge : inspector.tlsNotFound);
    const closes =
      hello === HelloResult.TooLarge || (hello === HelloResult.Malformed && inspector.closesOnErrors);
    if (closes) this.#lose('error');
    return !closes;
  }

  #inspectHttp(): boolean {
    const inspector = this.#chains.filters.httpInspector;
    if (inspector === null || this.#hello !== null || inspector.disabled(this.#addresses.localPort))
      return true;
    const protocol = readHttpVersion(this.#bytes);
    if (protocol === null) return false;
    this.#httpProtocol = protocol;
    const { http2Found, http11Found, http10Found, httpNotFound } = inspector;
    const slots: Record<string, number> = {
      h2c: http2Found,
      'http/1.1': http11Found,
      'http/1.0': http10Found,
    };
    inspector.lane.inc(slots[protocol] ?? httpNotFound);
    return true;
  }

  #onTimeout(): void {
    if (!this.#chains.filters.continuesOnTimeout || this.#step > Step.Chain) {
      this.#lose('timeout');
      return;
    }
    this.#step = Step.Chain;
    this.#advance();
  }

  #stopLooking(): void {
    if (!this.#looking) return;
    this.#looking = false;
    this.#timer.stop();
    const socket = this.#socket;
    socket.off('data', this.#onData);
    socket.off('error', this.#onError);
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onEnd);
    socket.pause();
    if (this.#bytes.length > 0 && !socket.destroyed) socket.unshift(this.#bytes);
    this.#bytes = EMPTY;
  }

  #lose(why: 'error' | 'remote close' | 'timeout'): void {
    if (this.#step === Step.Done) return;
    this.#step = Step.Done;
    this.destroy();
    this.#owner.onLost(this, why);
  }

  // --- the chain ---

  #choose(): boolean {
    const hello = this.#tlsFound ? this.#hello : null;
    const protocols = hello?.applicationProtocols ?? (this.#httpProtocol === '' ? [] : [this.#httpProtocol]);
    this.#chain = this.#chains.matcher.select({
      ...this.#addresses,
      serverName: hello?.serverName ?? '',
      transportProtocol: hello === null ? 'raw_buffer' : 'tls',
      applicationProtocols: protocols,
    });
    if (this.#chain !== null) return true;
    this.#step = Step.Done;
    this.destroy();
    this.#owner.onNoChain(this, this.#info(null));
    return false;
  }

  /** Where no inspector has read the ClientHello, and the chain's TLS has to know what is in it. */
  #readHello(): boolean {
    const tls = this.#chain!.tls;
    if (tls === null || !tls.needsClientHello || this.#hello !== null) return true;
    const hello = readClientHello(this.#bytes);
    if (typeof hello === 'object') this.#hello = hello;
    // What is no ClientHello is left to the TLS library to refuse.
    return hello !== HelloResult.Incomplete;
  }

  #deliver(): void {
    this.#stopLooking();
    const chain = this.#chain!;
    if (chain.tls === null) {
      this.#owner.onReady(this, chain, this.#socket, this.#info(null));
    } else {
      this.#owner.onHandshake(this);
      chain.tls.handshake(this.#socket, this.#hello, this);
    }
  }

  onSecure(socket: Socket, tls: TlsConnectionInfo): void {
    this.#owner.onReady(this, this.#chain!, socket, this.#info(tls));
  }

  onHandshakeFailed(reason: string, timedOut: boolean): void {
    this.#owner.onHandshakeFailed(this, this.#chain!, reason, timedOut);
  }

  #info(tls: TlsConnectionInfo | null): DownstreamConnectionInfo {
    const { remoteAddress, remotePort, localAddress, localPort } = this.#addresses;
    const requestedServerName = this.#tlsFound ? (this.#hello?.serverName ?? '') : '';
    return { remoteAddress, remotePort, localAddress, localPort, id: this.#id, tls, requestedServerName };
  }
}

const EMPTY = Buffer.alloc(0);
