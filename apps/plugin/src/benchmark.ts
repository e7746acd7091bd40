// What a plugin costs: each of its callbacks, and a request with its response as a whole.

import {
  Guard,
  HeaderList,
  type HostFunction,
  LocalStream,
  localHost,
  Plugin,
  type RootContext,
  type Tracer,
  Vm,
  WatchdogThread,
} from '@dragoman/vm';
import { ScenarioError } from './scenario.ts';

export interface BenchmarkOptions {
  readonly configuration: string;
  readonly rootId: string;
  readonly requests: number;
}

export interface Benchmark {
  readonly requests: number;
  readonly startMs: number;
  readonly callbacks: readonly {
    readonly name: string;
    /** Median, host calls included. */
    readonly nanoseconds: number;
    /** Host calls in one run of it. */
    readonly calls: number;
  }[];
  readonly request: { readonly nanoseconds: number; readonly garbageBytes: number };
  /** Of the guest, after all rounds. */
  readonly memoryBytes: number;
}

const ROUNDS = 5;
/** So few that the collector does not run in between. */
const GARBAGE_REQUESTS = 100;

/** Measures twice: once without a tracer for the sum, once with one for the parts. */
export async function benchmark(bytes: Buffer, options: BenchmarkOptions): Promise<Benchmark> {
  const { requests } = options;
  const startNs = process.hrtime.bigint();
  const module = await Plugin.compile(bytes);
  const guard = new Guard();
  const watchdog = new WatchdogThread();
  watchdog.watch(0, guard.memory);
  const start = (tracer?: Tracer): RootContext => {
    const vm = Vm.start(module, { ...localHost(), guard }, tracer === undefined ? {} : { tracer });
    const configuration = Buffer.from(options.configuration);
    return vm.startRoot({ name: 'bench', rootId: options.rootId, configuration });
  };
  try {
    return measure(start, requests, startNs);
  } finally {
    await watchdog.close();
  }
}

function measure(start: (tracer?: Tracer) => RootContext, requests: number, startNs: bigint): Benchmark {
  const root = start();
  const startMs = Number(process.hrtime.bigint() - startNs) / 1e6;
  run(root, requests);
  refuseDead(root);
  const rounds = Array.from({ length: ROUNDS }, () => timeOf(() => run(root, requests)) / requests);
  const garbage = Array.from({ length: ROUNDS }, () => garbageOf(() => run(root, GARBAGE_REQUESTS)));
  const tracer = new CallbackTimes();
  const traced = start(tracer);
  run(traced, requests);
  tracer.clear();
  run(traced, requests);
  const result = {
    requests,
    startMs,
    callbacks: tracer.summary(),
    request: {
      nanoseconds: Math.min(...rounds),
      garbageBytes: finite(Math.min(...garbage)) / GARBAGE_REQUESTS,
    },
    memoryBytes: root.vm.memoryBytes,
  };
  for (const each of [root, traced]) {
    refuseDead(each);
    each.vm.discard();
  }
  return result;
}

/** Figures of a plugin that is not there any more say nothing. */
function refuseDead({ vm: { failure } }: RootContext): void {
  if (failure === null) return;
  const { backtrace, callback, reason } = failure;
  throw new ScenarioError([`the plugin died in ${callback}: ${reason}`, ...backtrace].join('\n  '));
}

/** A request of a browser with a small body, and its response. */
function run(root: RootContext, requests: number): void {
  for (let i = 0; i < requests; i++) {
    const stream = new LocalStream(root);
    const request = HeaderList.from({
      ':method': 'POST',
      ':path': '/path?q=1',
      ':authority': 'example.org',
      ':scheme': 'http',
      'user-agent': 'dragoman-plugin',
      accept: '*/*',
      'content-length': '5',
    });
    if (stream.request(request, 'hello') === 'continue')
      stream.response(HeaderList.from({ ':status': '200', 'content-type': 'text/plain' }), 'world');
    stream.end();
  }
}

const finite = (value: number): number => (Number.isFinite(value) ? value : 0);

function timeOf(action: () => void): number {
  const start = process.hrtime.bigint();
  action();
  return Number(process.hrtime.bigint() - start);
}

function garbageOf(action: () => void): number {
  const before = process.memoryUsage().heapUsed;
  action();
  const bytes = process.memoryUsage().heapUsed - before;
  // The collector has run in between: nothing can be said.
  return bytes < 0 ? Number.POSITIVE_INFINITY : bytes;
}

class CallbackTimes implements Tracer {
  readonly #times = new Map<string, number[]>();
  readonly #calls = new Map<string, number>();
  #hostCalls = 0;

  hostCall(_vm: Vm, _name: string, call: HostFunction): HostFunction {
    return (...args) => {
      this.#hostCalls++;
      return call(...args);
    };
  }

  callback(_vm: Vm, name: string, callback: (...args: number[]) => number | undefined) {
    return (...args: number[]) => {
      this.#hostCalls = 0;
      const start = process.hrtime.bigint();
      const result = callback(...args);
      const time = Number(process.hrtime.bigint() - start);
      const times = this.#times.get(name);
      if (times === undefined) this.#times.set(name, [time]);
      else times.push(time);
      this.#calls.set(name, this.#hostCalls);
      return result;
    };
  }

  clear(): void {
    this.#times.clear();
  }

  summary() {
    return this.#times
      .entries()
      .map(([name, times]) => {
        times.sort((a, b) => a - b);
        return { name, nanoseconds: times[times.length >> 1]!, calls: this.#calls.get(name) ?? 0 };
      })
      .toArray();
  }
}
