// How much time and memory each plugin may use: Dragoman's own settings in the bootstrap, which Envoy's schema has no
// place for: node.metadata.dragoman.wasm_limits, for all plugins and, under `plugins`, by the name of a plugin. Pure.

import type { Node } from '@dragoman/config';
import { DEFAULT_DEADLINES, DEFAULT_MEMORY_CAP_PAGES, type Deadlines, PAGE_BYTES } from '@dragoman/vm';

/** The limits of one plugin. */
export interface PluginLimits {
  readonly deadlines: Deadlines;
  readonly memoryCapPages: number;
  /** The code has to be compiled in a form that can be limited. */
  readonly limited: boolean;
  /** Somebody has asked for limits: code that cannot be limited must not run. */
  readonly demanded: boolean;
}

/** Limits of plugins by their name. */
export type LimitsOf = (pluginName: string) => PluginLimits;

/** `path` inside the bootstrap. */
type Report = (path: string, message: string) => void;

const PATH = 'node.metadata.dragoman.wasm_limits';
/** All that a 32-bit memory can be. */
const UNLIMITED_PAGES = 65_536;
const PAGES_PER_MEBIBYTE = 2 ** 20 / PAGE_BYTES;
/** An hour: more is as good as no limit, which is 0. */
const MAX_CPU_MS = 3_600_000;
const MAX_MEMORY_MIB = 4096;

/** One level of settings; what is undefined is inherited. */
interface LimitSettings {
  readonly request?: number;
  readonly start?: number;
  readonly tick?: number;
  readonly memoryMib?: number;
}

/** Reads the settings; tells `report` what is wrong with them, and goes on without it. */
export function readPluginLimits(node: Node | undefined, report: Report = () => {}): LimitsOf {
  const dragoman = objectOf(node?.metadata?.dragoman, 'node.metadata.dragoman', report);
  const section = objectOf(dragoman.wasm_limits, PATH, report);
  const { plugins, ...common } = section;
  const forAll = readLevel(common, PATH, report);
  const byName = new Map<string, LimitSettings>();
  for (const [name, value] of Object.entries(objectOf(plugins, `${PATH}.plugins`, report))) {
    const path = `${PATH}.plugins.${name}`;
    byName.set(name, readLevel(objectOf(value, path, report), path, report));
  }
  return pluginName => combine({ ...forAll, ...byName.get(pluginName) });
}

function combine(settings: LimitSettings): PluginLimits {
  const deadlines: Deadlines = {
    requestMs: settings.request ?? DEFAULT_DEADLINES.requestMs,
    startMs: settings.start ?? DEFAULT_DEADLINES.startMs,
    tickMs: settings.tick ?? DEFAULT_DEADLINES.tickMs,
  };
  const { memoryMib } = settings;
  const capPages = memoryMib === undefined ? DEFAULT_MEMORY_CAP_PAGES : memoryMib * PAGES_PER_MEBIBYTE;
  const memoryCapPages = capPages === 0 ? UNLIMITED_PAGES : capPages;
  const { requestMs, startMs, tickMs } = deadlines;
  return {
    deadlines,
    memoryCapPages,
    limited: requestMs + startMs + tickMs > 0 || memoryCapPages < UNLIMITED_PAGES,
    demanded: Object.values(settings).some(value => value > 0),
  };
}

type JsonObject = Readonly<Record<string, unknown>>;

function readLevel(section: JsonObject, path: string, report: Report): LimitSettings {
  refuseUnknown(section, ['cpu_ms', 'memory_mib'], path, report);
  const cpu = objectOf(section.cpu_ms, `${path}.cpu_ms`, report);
  refuseUnknown(cpu, ['request', 'start', 'tick'], `${path}.cpu_ms`, report);
  const settings: { -readonly [key in keyof LimitSettings]: number } = {};
  for (const key of ['request', 'start', 'tick'] as const) {
    const value = wholeNumber(cpu[key], MAX_CPU_MS, `${path}.cpu_ms.${key}`, report);
    if (value !== undefined) settings[key] = value;
  }
  const memoryMib = wholeNumber(section.memory_mib, MAX_MEMORY_MIB, `${path}.memory_mib`, report);
  if (memoryMib !== undefined) settings.memoryMib = memoryMib;
  return settings;
}

function objectOf(value: unknown, path: string, report: Report): JsonObject {
  if (value === undefined) return {};
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  report(path, 'expected an object');
  return {};
}

function wholeNumber(value: unknown, max: number, path: string, report: Report): number | undefined {
  if (value === undefined) return undefined;
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max) return value as number;
  report(path, `expected a whole number from 0 (no limit) to ${max}`);
  return undefined;
}

function refuseUnknown(section: JsonObject, known: readonly string[], path: string, report: Report): void {
  for (const key of Object.keys(section))
    if (!known.includes(key)) report(`${path}.${key}`, `no such setting; there is ${known.join(', ')}`);
}
