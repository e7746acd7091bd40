// What a proxy costs beside its requests: time until it serves, resident memory, memory of an idle connection,
// and what a second worker on a second core brings.
import net from 'node:net';
import os from 'node:os';
import { type Contestant, startContestant } from './contestants.ts';
import type { LoadGenerator } from './load.ts';
import { residentBytes } from './processes.ts';
import { type Sample, sample } from './rounds.ts';
import { median, ratio } from './statistics.ts';
import type { Upstream } from './upstream.ts';

/** How often a start is measured; the median counts. */
const STARTS = 5;
/** Load before resident memory is read, so that code and pools are what they are in use. */
const MEMORY_LOAD_SECONDS = 2;
/** Time for a proxy to settle (garbage, timers) before its memory is read again. */
const SETTLE_MS = 2000;
/** Connections opened at the same time while many idle ones are made. */
const OPENING_AT_ONCE = 100;
const SCALING_CONNECTIONS = 64;

export interface FootprintContext {
  upstream: Upstream;
  load: LoadGenerator;
  folder: string;
}

/** Median milliseconds from the start of the process to its first answered request. */
export async function measureStart(contestant: Contestant, context: FootprintContext): Promise<number> {
  const readyMs: number[] = [];
  for (let start = 0; start < STARTS; start++) {
    const running = await startContestant(contestant, context.folder, context.upstream.port, null);
    readyMs.push(running.readyMs);
    await running.child.stop();
  }
  return median(readyMs);
}

/** Resident bytes with the given number of workers, after a short load. */
export async function measureMemory(
  contestant: Contestant,
  workers: number,
  context: FootprintContext,
): Promise<number> {
  const running = await startContestant(contestant, context.folder, context.upstream.port, null, workers);
  try {
    await context.load.run(running.port, 32, MEMORY_LOAD_SECONDS);
    return residentBytes(running.child.pid);
  } finally {
    await running.child.stop();
  }
}

/** Resident bytes that one open keep-alive connection costs, which has carried one request. */
export async function measureIdleConnection(
  contestant: Contestant,
  count: number,
  context: FootprintContext,
): Promise<number> {
  const running = await startContestant(contestant, context.folder, context.upstream.port, null);
  const sockets: net.Socket[] = [];
  try {
    await context.load.run(running.port, OPENING_AT_ONCE, MEMORY_LOAD_SECONDS);
    await settle();
    const before = residentBytes(running.child.pid);
    while (sockets.length < count) {
      const batch = Math.min(OPENING_AT_ONCE, count - sockets.length);
      sockets.push(...(await Promise.all(Array.from({ length: batch }, () => openAndAsk(running.port)))));
    }
    await settle();
    const lost = sockets.filter(socket => socket.destroyed).length;
    if (lost > 0) throw new Error(`${contestant.name} closed ${lost} of ${count} idle connections`);
    return (residentBytes(running.child.pid) - before) / count;
  } finally {
    for (const socket of sockets) socket.destroy();
    await running.child.stop();
  }
}

function settle(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, SETTLE_MS));
}

function openAndAsk(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () =>
      socket.write('GET / HTTP/1.1\r\nhost: benchmark\r\n\r\n'),
    );
    socket.once('data', () => resolve(socket));
    socket.on('error', reject);
  });
}

export interface ScalingResult {
  /** How `factor` was found: by requests/s where the load has cores of its own, else by CPU per request. */
  basis: 'requests' | 'cpu';
  /** What two workers carry compared with one. */
  factor: number;
  one: Sample[];
  two: Sample[];
}

/**
 * Compares one worker with two. With four cores or more the workers have cores 0 and 1, the load and the upstream
 * the others, and requests/s are compared. With fewer the load competes with the second worker, so what counts is the
 * CPU a request costs: two workers that share nothing cost per request what one costs, a factor of 2.
 */
export async function measureWorkers(
  contestant: Contestant,
  rounds: number,
  seconds: number,
  context: FootprintContext,
): Promise<ScalingResult> {
  const { folder, upstream, load } = context;
  const one = await startContestant(contestant, folder, upstream.port, '0', 1);
  const two = await startContestant(contestant, folder, upstream.port, '0,1', 2);
  const samples: { one: Sample[]; two: Sample[] } = { one: [], two: [] };
  try {
    for (const { port } of [one, two]) await load.run(port, SCALING_CONNECTIONS, seconds);
    for (let round = 0; round < rounds; round++) {
      samples.one.push(
        await sample({ port: one.port, pid: one.child.pid }, load, SCALING_CONNECTIONS, seconds),
      );
      samples.two.push(
        await sample({ port: two.port, pid: two.child.pid }, load, SCALING_CONNECTIONS, seconds),
      );
    }
  } finally {
    await Promise.all([one.child.stop(), two.child.stop()]);
  }
  const basis = os.availableParallelism() >= 4 ? 'requests' : 'cpu';
  const factors = samples.one.map((single, round) => {
    const double = samples.two[round]!;
    return basis === 'requests'
      ? ratio(double.requestsPerSecond, single.requestsPerSecond)
      : 2 * ratio(single.cpuUsPerRequest, double.cpuUsPerRequest);
  });
  return { basis, factor: median(factors), ...samples };
}
