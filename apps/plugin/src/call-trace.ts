// Writes down what a plugin does: each callback with its time, its result and the host calls it made, in words.

import { BufferType, MapType, Status } from '@dragoman/abi';
import type { HostFunction, Tracer, Vm } from '@dragoman/vm';

export interface TracedCall {
  /** `get_header_map_value(HttpRequestHeaders, "x-user")` */
  readonly text: string;
  /** `"me"`, `Ok`, `NotFound` */
  readonly result: string;
  readonly nanoseconds: number;
}

export interface TracedCallback {
  readonly name: string;
  readonly calls: TracedCall[];
  result: number | undefined;
  nanoseconds: number;
  /** Of the guest, afterwards. */
  memoryBytes: number;
  /** Left by an exception. */
  died: boolean;
}

/**
 * Parameters of host calls, one letter each: m map, b buffer, s text (pointer and size), p pairs (pointer and size), n
 * number; results: R text (two pointers), P pairs, u 32-bit and U 64-bit number (a pointer each).
 */
const SHAPES: Readonly<Record<string, string>> = {
  proxy_log: 'ns',
  proxy_get_log_level: 'u',
  proxy_get_current_time_nanoseconds: 'U',
  proxy_set_tick_period_milliseconds: 'n',
  proxy_get_configuration: 'R',
  proxy_get_status: 'uR',
  proxy_get_property: 'sR',
  proxy_set_property: 'ss',
  proxy_continue_stream: 'n',
  proxy_close_stream: 'n',
  proxy_send_local_response: 'nsspn',
  proxy_get_header_map_size: 'mu',
  proxy_get_header_map_pairs: 'mP',
  proxy_set_header_map_pairs: 'mp',
  proxy_get_header_map_value: 'msR',
  proxy_add_header_map_value: 'mss',
  proxy_replace_header_map_value: 'mss',
  proxy_remove_header_map_value: 'ms',
  proxy_get_buffer_bytes: 'bnnR',
  proxy_get_buffer_status: 'buu',
  proxy_set_buffer_bytes: 'bnns',
  proxy_http_call: 'spspnu',
  proxy_get_shared_data: 'sRu',
  proxy_set_shared_data: 'ssn',
  proxy_register_shared_queue: 'su',
  proxy_resolve_shared_queue: 'ssu',
  proxy_enqueue_shared_queue: 'ns',
  proxy_dequeue_shared_queue: 'nR',
  proxy_define_metric: 'nsu',
  proxy_get_metric: 'nU',
  proxy_call_foreign_function: 'ssR',
};

const TEXT_MAX = 60;
const nameIn = (names: Readonly<Record<string, number>>, value: number): string =>
  Object.keys(names).find(name => names[name] === value) ?? String(value);

/** One for a whole run; `take()` gives what has been written down since the last time. */
export class CallTrace implements Tracer {
  #callbacks: TracedCallback[] = [];
  #running: TracedCallback | null = null;

  take(): TracedCallback[] {
    const callbacks = this.#callbacks;
    this.#callbacks = [];
    return callbacks;
  }

  hostCall(vm: Vm, name: string, call: HostFunction): HostFunction {
    return (...args) => {
      const text = `${name.replace(/^proxy_/, '')}(${argumentTexts(vm, name, args).join(', ')})`;
      const start = process.hrtime.bigint();
      const status = call(...args);
      const nanoseconds = Number(process.hrtime.bigint() - start);
      this.#running?.calls.push({ text, result: resultText(vm, name, args, status), nanoseconds });
      return status;
    };
  }

  callback(vm: Vm, name: string, callback: (...args: number[]) => number | undefined) {
    return (...args: number[]): number | undefined => {
      const traced: TracedCallback = {
        name: name.replace(/^proxy_/, ''),
        calls: [],
        result: undefined,
        nanoseconds: 0,
        memoryBytes: 0,
        died: true,
      };
      this.#callbacks.push(traced);
      this.#running = traced;
      const start = process.hrtime.bigint();
      try {
        traced.result = callback(...args);
        traced.died = false;
        return traced.result;
      } finally {
        traced.nanoseconds = Number(process.hrtime.bigint() - start);
        traced.memoryBytes = vm.memoryBytes;
        this.#running = null;
      }
    };
  }
}

function argumentTexts(vm: Vm, name: string, args: readonly number[]): string[] {
  const shape = SHAPES[name];
  if (shape === undefined) return args.map(String);
  const texts: string[] = [];
  let at = 0;
  for (const kind of shape) {
    if (kind === 'm') texts.push(nameIn(MapType, args[at++]!));
    else if (kind === 'b') texts.push(nameIn(BufferType, args[at++]!));
    else if (kind === 'n') texts.push(String(args[at++]));
    else if (kind === 's') texts.push(quoted(vm, args[at++]! >>> 0, args[at++]! >>> 0));
    else if (kind === 'p') texts.push(`${pairCount(vm, args[at++]! >>> 0, args[at++]! >>> 0)} headers`);
  }
  return texts;
}

function resultText(vm: Vm, name: string, args: readonly number[], status: number | undefined): string {
  const statusName = status === undefined ? '' : nameIn(Status, status);
  const shape = SHAPES[name];
  if (status !== 0 || shape === undefined) return statusName;
  const results: string[] = [];
  let at = 0;
  for (const kind of shape) {
    if (kind === 'R') results.push(quoted(vm, read(vm, args[at++]!), read(vm, args[at++]!)));
    else if (kind === 'P')
      results.push(`${pairCount(vm, read(vm, args[at++]!), read(vm, args[at++]!))} headers`);
    else if (kind === 'u') results.push(String(read(vm, args[at++]!)));
    else if (kind === 'U') results.push(String(vm.memory.view.getBigUint64(args[at++]! >>> 0, true)));
    else at += kind === 's' || kind === 'p' ? 2 : 1;
  }
  return results.length === 0 ? statusName : results.join(', ');
}

const read = (vm: Vm, pointer: number): number =>
  vm.memory.fits(pointer >>> 0, 4) ? vm.memory.view.getUint32(pointer >>> 0, true) : 0;

function pairCount(vm: Vm, pointer: number, size: number): number {
  return size < 4 || !vm.memory.fits(pointer, size) ? 0 : read(vm, pointer);
}

/** Text as in a program, cut where it is long; property paths with dots. */
function quoted(vm: Vm, pointer: number, size: number): string {
  if (!vm.memory.fits(pointer, size)) return `<${size} bytes at ${pointer}, outside of memory>`;
  const text = vm.memory.utf8(pointer, Math.min(size, TEXT_MAX)).replaceAll('\0', '.');
  return size <= TEXT_MAX ? JSON.stringify(text) : `${JSON.stringify(text)}... (${size} bytes)`;
}
