// CPU per request: runs all contestants side by side, puts load on one after the other, round by round, and
// keeps every sample by round so that ratios compare what happened at about the same time.
import { type Contestant, type RunningContestant, startContestant } from './contestants.ts';
import type { LoadGenerator } from './load.ts';
import type { Options } from './options.ts';
import { cpuTime, residentBytes } from './processes.ts';
import type { Upstream } from './upstream.ts';

/** One contestant under load in one round. CPU is NaN for `direct`, which has no proxy. */
export interface Sample {
  cpuUsPerRequest: number;
  systemUsPerRequest: number;
  requestsPerSecond: number;
  p50Us: number;
  p99Us: number;
  errors: number;
}

/** The samples of one contestant at one number of connections, in the order of the rounds. */
export interface Series {
  name: string;
  connections: number;
  samples: Sample[];
}

export interface RequestsResult {
  series: Series[];
  /** Name and reason of the contestants that were to be measured but did not start. */
  failures: { name: string; reason: string }[];
  /** Resident memory of each contestant after the last round. */
  residentBytes: Record<string, number>;
}

interface Target {
  name: string;
  port: number;
  pid: number | null;
}

export async function measureRequests(
  selected: Contestant[],
  withDirect: boolean,
  upstream: Upstream,
  load: LoadGenerator,
  folder: string,
  proxyCores: string | null,
  options: Options,
  progress: (text: string) => void,
): Promise<RequestsResult> {
  const running: RunningContestant[] = [];
  const result: RequestsResult = { series: [], failures: [], residentBytes: {} };
  try {
    for (const contestant of selected) {
      try {
        running.push(await startContestant(contestant, folder, upstream.port, proxyCores));
      } catch (error) {
        result.failures.push({ name: contestant.name, reason: (error as Error).message });
      }
    }
    const targets: Target[] = running.map(({ contestant, port, child }) => ({
      name: contestant.name,
      port,
      pid: child.pid,
    }));
    if (withDirect) targets.unshift({ name: 'direct', port: upstream.port, pid: null });
    for (const target of targets) {
      progress(`warm-up: ${target.name}`);
      await load.run(target.port, options.connections[0]!, options.warmupSeconds);
    }
    result.series = await runRounds(targets, load, options, progress);
    for (const { name, pid } of targets) {
      if (pid !== null) result.residentBytes[name] = residentBytes(pid);
    }
    return result;
  } finally {
    await Promise.all(running.map(({ child }) => child.stop()));
  }
}

async function runRounds(
  targets: Target[],
  load: LoadGenerator,
  options: Options,
  progress: (text: string) => void,
): Promise<Series[]> {
  const series = options.connections.flatMap(connections =>
    targets.map(({ name }): Series => ({ name, connections, samples: [] })),
  );
  for (let round = 0; round < options.rounds; round++) {
    for (const [index, entry] of series.entries()) {
      const target = targets[index % targets.length]!;
      progress(`round ${round + 1}/${options.rounds}, ${entry.connections} connections: ${entry.name}`);
      entry.samples.push(await sample(target, load, entry.connections, options.seconds));
    }
  }
  return series;
}

/** Puts load on one port and divides the CPU time its process tree used by the requests answered. */
export async function sample(
  target: { port: number; pid: number | null },
  load: LoadGenerator,
  connections: number,
  seconds: number,
): Promise<Sample> {
  const before = target.pid === null ? null : cpuTime(target.pid);
  const outcome = await load.run(target.port, connections, seconds);
  const after = target.pid === null ? null : cpuTime(target.pid);
  let userUs = Number.NaN;
  let systemUs = Number.NaN;
  if (before !== null && after !== null) {
    userUs = after.userUs - before.userUs;
    systemUs = after.systemUs - before.systemUs;
  }
  return {
    cpuUsPerRequest: (userUs + systemUs) / outcome.requests,
    systemUsPerRequest: systemUs / outcome.requests,
    requestsPerSecond: outcome.requests / outcome.seconds,
    p50Us: outcome.p50Us,
    p99Us: outcome.p99Us,
    errors: outcome.errors,
  };
}
