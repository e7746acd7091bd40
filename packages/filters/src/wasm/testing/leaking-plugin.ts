// A plugin on a worker's VMs that takes memory with every request and never gives it back. For tests and benchmarks only.

import { systemClock } from '@dragoman/base';
import { StatLane, StatTable } from '@dragoman/shm';
import { ModuleBuilder, op } from '@dragoman/testkit';
import { compileModuleSync, HeaderList, LocalStream, type StepResult } from '@dragoman/vm';
import type { PluginHandle } from '../plugin-handle.ts';
import { readPluginLimits } from '../plugin-limits.ts';
import { readPluginConfig, type WasmPluginConfig } from '../plugin-settings.ts';
import { PluginVms } from '../plugin-vms.ts';

const PAGE_BYTES = 65_536;

export interface LeakOptions {
  /** Taken with every request: a divisor or a multiple of 64 KiB. */
  readonly leakBytes: number;
  readonly memoryMib: number;
}

export class LeakingPlugin {
  readonly #plugin: PluginHandle;
  readonly #table = new StatTable();
  #root: ReturnType<PluginHandle['acquire']> = null;

  constructor({ leakBytes, memoryMib }: LeakOptions) {
    const memory = StatLane.create();
    this.#table.addLane(memory);
    const clock = { ...systemClock, after: () => () => {} };
    const logger = { enabled: () => false, log: () => {} };
    const vms = new PluginVms({
      clock,
      lane: new StatLane(memory),
      logger: logger as never,
      asyncClient: {} as never,
    });
    const node = { metadata: { dragoman: { wasm_limits: { memory_mib: memoryMib } } } } as never;
    const config = {
      ...{ name: 'leaking', rootId: '', failOpen: false },
      vmConfig: { vmId: '', runtime: '', code: { local: { inlineString: '' } } },
    } as WasmPluginConfig;
    const settings = readPluginConfig(config, readPluginLimits(node)('leaking'));
    const code = { ...compileModuleSync(leakingModule(leakBytes), { limited: true }), sha256: 'leaking' };
    this.#plugin = vms.start(settings, code, () => undefined);
  }

  request(): StepResult | null {
    this.#root = this.#plugin.acquire();
    if (this.#root === null) return null;
    const stream = new LocalStream(this.#root);
    const result = stream.request(HeaderList.from({ ':path': '/' }));
    stream.end();
    return result;
  }

  /** Of the instance that the last request was on. */
  get memoryBytes(): number {
    return this.#root?.vm.memoryBytes ?? 0;
  }

  stat(name: string): number | undefined {
    this.#table.refresh();
    return this.#table.value(name);
  }
}

/** Grows once in so many requests, or by so many pages, writes to what it has got, and traps when there is no more. */
function leakingModule(leakBytes: number): Uint8Array {
  const module = new ModuleBuilder();
  module.function('>', [], 'proxy_abi_version_0_2_1');
  module.function('i>i', op.i32(1024), 'malloc');
  const requestsPerGrowth = Math.max(1, PAGE_BYTES / leakBytes);
  const pages = Math.max(1, leakBytes / PAGE_BYTES);
  const count = [...op.i32(0), ...op.i32(0), ...op.load, ...op.i32(1), ...op.add, ...op.store];
  const isDue = [...op.i32(0), ...op.load, ...op.i32(requestsPerGrowth), 0x70, 0x45];
  // memory.grow answers the old size: page * 64 KiB is the first new byte. -1 makes that an address outside.
  const grow = [...op.i32(pages), ...op.memoryGrow, ...op.i32(16), 0x74, ...op.i32(1), ...op.store];
  module.function(
    'iii>i',
    [...count, ...isDue, 0x04, 0x40, ...grow, 0x0b, ...op.i32(0)],
    'proxy_on_request_headers',
  );
  module.memory({ minimum: 1 });
  return module.build();
}
