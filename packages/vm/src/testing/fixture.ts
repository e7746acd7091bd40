// A VM with a puppet guest, a clock that stands still, and a stream that writes down what is asked of it.

import { CALLBACKS, HOST_CALLS, Status, WASI_FUNCTIONS } from '@dragoman/abi';
import type { Clock } from '@dragoman/base';
import { Puppet, type PuppetOptions } from '@dragoman/testkit';
import type { RootContext, RootOptions } from '../contexts/root-context.ts';
import type { StreamContext } from '../contexts/stream-context.ts';
import { HeaderList } from '../header-list.ts';
import type { HostFunction } from '../host/host-function.ts';
import { type LocalHostOptions, localHost } from '../local-host.ts';
import type { LocalMetrics } from '../local-metrics.ts';
import { compileModuleSync } from '../module/plugin-module.ts';
import type { PropertyValue } from '../property-value.ts';
import type { GuestHeaderMap, LocalResponse, StreamHost } from '../stream-host.ts';
import { Vm, type VmOptions } from '../vm.ts';
import type { VmFailure, VmHost } from '../vm-host.ts';

/** Time that only moves when told to. */
export class StoppedClock implements Clock {
  now = 1000;
  wall = 1_700_000_000_000.25;
  readonly #timers: { at: number; callback: () => void }[] = [];

  nowMs(): number {
    return this.now;
  }

  wallMs(): number {
    return this.wall;
  }

  after(delayMs: number, callback: () => void): () => void {
    const timer = { at: this.now + delayMs, callback };
    this.#timers.push(timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index !== -1) this.#timers.splice(index, 1);
    };
  }

  get timerCount(): number {
    return this.#timers.length;
  }

  advance(milliseconds: number): void {
    const end = this.now + milliseconds;
    for (;;) {
      this.#timers.sort((a, b) => a.at - b.at);
      const next = this.#timers[0];
      if (next === undefined || next.at > end) break;
      this.#timers.shift();
      this.now = next.at;
      next.callback();
    }
    this.now = end;
  }
}

export class RecordingStream implements StreamHost {
  readonly asked: string[] = [];
  response: LocalResponse | null = null;
  requestTrailers: HeaderList | null = null;
  responseTrailers: HeaderList | null = null;
  readonly properties = new Map<string, PropertyValue>();
  /** Runs inside each call, to see what is true at that time. */
  probe: (asked: string) => void = () => {};

  #note(asked: string): void {
    this.asked.push(asked);
    this.probe(asked);
  }

  continueRequest(): void {
    this.#note('continueRequest');
  }
  continueDownstream(): void {
    this.#note('continueDownstream');
  }
  continueResponse(): void {
    this.#note('continueResponse');
  }
  closeStream(type: number): void {
    this.#note(`closeStream ${type}`);
  }
  sendLocalResponse(response: LocalResponse): void {
    this.response = response;
    this.#note(`sendLocalResponse ${response.status}`);
  }
  createRequestTrailers(): GuestHeaderMap {
    this.requestTrailers = new HeaderList();
    return this.requestTrailers;
  }
  createResponseTrailers(): GuestHeaderMap {
    this.responseTrailers = new HeaderList();
    return this.responseTrailers;
  }
  clearRouteCache(): void {
    this.#note('clearRouteCache');
  }
  getProperty(path: readonly string[]): PropertyValue {
    return this.properties.get(path.join('.'));
  }
  setProperty(key: string, value: Buffer): Status {
    this.properties.set(key, value);
    return Status.Ok;
  }
}

export interface FixtureOptions extends Partial<PuppetOptions> {
  readonly vm?: Partial<VmOptions>;
  readonly root?: Partial<RootOptions>;
  readonly host?: LocalHostOptions & Partial<VmHost>;
  /** Sets up the puppet before it is instantiated. */
  readonly prepare?: (puppet: Puppet) => void;
}

export interface Fixture {
  readonly puppet: Puppet;
  readonly vm: Vm;
  readonly host: VmHost & { readonly metrics: LocalMetrics };
  readonly clock: StoppedClock;
  /** "level line". */
  readonly log: string[];
  readonly failures: VmFailure[];
  readonly root: RootContext;
  readonly stream: StreamContext;
  readonly streamHost: RecordingStream;
}

/** A running VM without any context. */
export function startVm(options: FixtureOptions = {}): Omit<Fixture, 'root' | 'stream' | 'streamHost'> {
  const puppet = new Puppet({
    hostCalls: HOST_CALLS,
    callbacks: CALLBACKS,
    wasi: WASI_FUNCTIONS,
    ...options,
  });
  options.prepare?.(puppet);
  const clock = new StoppedClock();
  const log: string[] = [];
  const failures: VmFailure[] = [];
  const base = localHost({
    clock,
    log: (level, line) => log.push(`${level} ${line}`),
    onFailure: failure => failures.push(failure),
    ...options.host,
  });
  const host = { ...base, ...options.host } as typeof base;
  const imports = puppet.imports as unknown as ReadonlyMap<string, (vm: Vm) => HostFunction>;
  const vm = Vm.start(compileModuleSync(puppet.bytes), host, { vmId: 'vm', imports, ...options.vm });
  return { puppet, vm, host, clock, log, failures };
}

/** A VM with one root context and one announced stream; the trace and log begin after that. */
export function startStream(options: FixtureOptions = {}): Fixture {
  const started = startVm(options);
  const root = started.vm.startRoot({
    name: 'plugin',
    rootId: 'root',
    configuration: Buffer.from('plugin configuration'),
    ...options.root,
  });
  const stream = started.vm.newStream();
  const streamHost = new RecordingStream();
  stream.begin(root, streamHost);
  started.puppet.trace.length = 0;
  started.log.length = 0;
  started.puppet.allocations.length = 0;
  return { ...started, root, stream, streamHost };
}

/** Request headers as an HTTP/1 request of a browser would give them. */
export function requestHeaders(...more: [string, string][]): HeaderList {
  return HeaderList.from([
    [':authority', 'example.org'],
    [':path', '/path?q=1'],
    [':method', 'GET'],
    [':scheme', 'http'],
    ...more,
  ]);
}

/** Runs `inside` in the request headers callback of the fixture's stream; the callback's status. */
export function inRequestHeaders(
  fixture: Fixture,
  headers: GuestHeaderMap,
  inside: () => number | undefined,
): number {
  fixture.puppet.on.proxy_on_request_headers = inside;
  return fixture.stream.onRequestHeaders(headers, true);
}
