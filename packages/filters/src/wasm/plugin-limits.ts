// How much time and memory each plugin may use, and when its instances are replaced: Dragoman's own settings in the bootstrap, which Envoy's schema has no
// place for: node.metadata.dragoman.wasm_limits, for all plugins and, under `plugins`, by the name of a plugin. Pure.

import type { Node } from '@dragoman/config';
import { DEFAULT_DEADLINES, DEFAULT_MEMORY_CAP_PAGES, type Deadlines, PAGE_BYTES } from '@dragoman/vm';
import {
  dragomanSection,
  type JsonObject,
  objectOf,
  type Report,
  refuseUnknown,
  trueOrFalse,
  wholeNumber,
} from './settings-section.ts';

/** The limits of one plugin. */
export interface PluginLimits {
  readonly deadlines: Deadlines;
  readonly memoryCapPages: number;
  /** The code has to be compiled in a form that can be limited. */
  readonly limited: boolean;
  /** Somebody has asked for limits: code that cannot be limited must not run. */
  readonly demanded: boolean;
  /** Instances on each worker, which take turns. One that dies takes only its own streams with it. */
  readonly instances: number;
  readonly recycle: RecycleRules;
  /** An instance that has run its start functions waits on each worker to take the place of one that dies. */
  readonly spare: boolean;
  /** Of all instances on a worker together; 0: as many as they like. */
  readonly logLinesPerSecond: number;
}

/** When an instance is replaced though nothing is wrong with it; infinite: never. */
export interface RecycleRules {
  /** It has this much memory. */
  readonly memoryBytes: number;
  /** It has seen so many streams. */
  readonly requests: number;
  readonly ageMs: number;
}

/** Limits of plugins by their name. */
export type LimitsOf = (pluginName: string) => PluginLimits;

/** All that a 32-bit memory can be. */
const UNLIMITED_PAGES = 65_536;
const PAGES_PER_MEBIBYTE = 2 ** 20 / PAGE_BYTES;
/** An hour: more is as good as no limit, which is 0. */
const MAX_CPU_MS = 3_600_000;
const MAX_MEMORY_MIB = 4096;
const MAX_INSTANCES = 64;
/** More than anybody reads, less than what fills a disk before somebody looks. */
const DEFAULT_LOG_LINES = 5000;
const MAX_LOG_LINES = 1_000_000;
const MAX_REQUESTS = 2 ** 53 - 1;
/** A year. */
const MAX_AGE_S = 31_536_000;
/** Of the memory cap: what leaks is replaced before it fails. */
const DEFAULT_RECYCLE_SHARE = 3 / 4;

/** One level of settings; what is undefined is inherited. */
interface LimitSettings {
  readonly request?: number;
  readonly start?: number;
  readonly configure?: number;
  readonly tick?: number;
  readonly memoryMib?: number;
  readonly instances?: number;
  readonly spare?: boolean;
  readonly logLines?: number;
  readonly recycleMemoryMib?: number;
  readonly recycleRequests?: number;
  readonly recycleAgeS?: number;
}

/** Settings that only work on code that can be limited. */
const DEMANDS = ['request', 'start', 'configure', 'tick', 'memoryMib'] as const;

/** Reads the settings; tells `report` what is wrong with them, and goes on without it. */
export function readPluginLimits(node: Node | undefined, report: Report = () => {}): LimitsOf {
  const [section, sectionPath] = dragomanSection(node, 'wasm_limits', report);
  const { plugins, ...common } = section;
  const forAll = readLevel(common, sectionPath, report);
  const byName = new Map<string, LimitSettings>();
  for (const [name, value] of Object.entries(objectOf(plugins, `${sectionPath}.plugins`, report))) {
    const path = `${sectionPath}.plugins.${name}`;
    byName.set(name, readLevel(objectOf(value, path, report), path, report));
  }
  return pluginName => combine({ ...forAll, ...byName.get(pluginName) });
}

function combine(settings: LimitSettings): PluginLimits {
  const deadlines: Deadlines = {
    requestMs: settings.request ?? DEFAULT_DEADLINES.requestMs,
    startMs: settings.start ?? DEFAULT_DEADLINES.startMs,
    configureMs: settings.configure ?? DEFAULT_DEADLINES.configureMs,
    tickMs: settings.tick ?? DEFAULT_DEADLINES.tickMs,
  };
  const { memoryMib } = settings;
  const capPages = memoryMib === undefined ? DEFAULT_MEMORY_CAP_PAGES : memoryMib * PAGES_PER_MEBIBYTE;
  const memoryCapPages = capPages === 0 ? UNLIMITED_PAGES : capPages;
  return {
    deadlines,
    memoryCapPages,
    limited: Object.values(deadlines).some(ms => ms > 0) || memoryCapPages < UNLIMITED_PAGES,
    demanded: DEMANDS.some(key => (settings[key] ?? 0) > 0),
    instances: settings.instances ?? 1,
    recycle: recycleRules(settings, memoryCapPages),
    spare: settings.spare ?? true,
    logLinesPerSecond: settings.logLines ?? DEFAULT_LOG_LINES,
  };
}

function recycleRules(settings: LimitSettings, memoryCapPages: number): RecycleRules {
  const { recycleMemoryMib, recycleRequests, recycleAgeS } = settings;
  const byDefault =
    memoryCapPages === UNLIMITED_PAGES ? 0 : Math.floor(memoryCapPages * DEFAULT_RECYCLE_SHARE) * PAGE_BYTES;
  return {
    memoryBytes: orNever(recycleMemoryMib === undefined ? byDefault : recycleMemoryMib * 2 ** 20),
    requests: orNever(recycleRequests ?? 0),
    ageMs: orNever((recycleAgeS ?? 0) * 1000),
  };
}

const orNever = (limit: number): number => (limit === 0 ? Number.POSITIVE_INFINITY : limit);

function readLevel(section: JsonObject, path: string, report: Report): LimitSettings {
  refuseUnknown(
    section,
    ['cpu_ms', 'memory_mib', 'instances', 'spare', 'log_lines_per_s', 'recycle'],
    path,
    report,
  );
  const cpu = objectOf(section.cpu_ms, `${path}.cpu_ms`, report);
  refuseUnknown(cpu, ['request', 'start', 'configure', 'tick'], `${path}.cpu_ms`, report);
  const recycle = objectOf(section.recycle, `${path}.recycle`, report);
  refuseUnknown(recycle, ['memory_mib', 'requests', 'age_s'], `${path}.recycle`, report);
  const cpuMs = (key: string) => wholeNumber(cpu[key], [0, MAX_CPU_MS], `${path}.cpu_ms.${key}`, report);
  const recycleAt = (key: string, max: number) =>
    wholeNumber(recycle[key], [0, max], `${path}.recycle.${key}`, report);
  return defined({
    request: cpuMs('request'),
    start: cpuMs('start'),
    configure: cpuMs('configure'),
    tick: cpuMs('tick'),
    memoryMib: wholeNumber(section.memory_mib, [0, MAX_MEMORY_MIB], `${path}.memory_mib`, report),
    instances: wholeNumber(section.instances, [1, MAX_INSTANCES], `${path}.instances`, report),
    spare: trueOrFalse(section.spare, `${path}.spare`, report),
    logLines: wholeNumber(section.log_lines_per_s, [0, MAX_LOG_LINES], `${path}.log_lines_per_s`, report),
    recycleMemoryMib: recycleAt('memory_mib', MAX_MEMORY_MIB),
    recycleRequests: recycleAt('requests', MAX_REQUESTS),
    recycleAgeS: recycleAt('age_s', MAX_AGE_S),
  });
}

/** Without what is undefined, which would hide what is inherited. */
function defined(settings: { [key in keyof LimitSettings]: LimitSettings[key] | undefined }): LimitSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}
