// The benchmark program: what Dragoman costs per request and beside its requests, next to nginx, HAProxy and real
// Envoy where they are installed. This file is the order of events; README.md says how to read the figures.
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { type Contestant, contestants, selectContestants } from './contestants.ts';
import {
  type FootprintContext,
  measureIdleConnection,
  measureMemory,
  measureStart,
  measureWorkers,
} from './footprint.ts';
import { createLoadGenerator } from './load.ts';
import { describeMachine, machineLine, versionOf } from './machine.ts';
import { type Options, type PartName, readOptions } from './options.ts';
import { decimal, mebibytes, requestsTable, table, writeResult } from './report.ts';
import { measureRequests } from './rounds.ts';
import { measureSlowReader } from './slow-reader.ts';
import { summarize } from './summary.ts';
import { startUpstream } from './upstream.ts';

type Results = Record<string, unknown>;

/** The contestants whose footprint is taken: each product bare and with the Go plugin of 3 MB. */
const footprintNames = ['dragoman', 'dragoman-wasm-go', 'envoy', 'envoy-wasm-go'];

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One line on a terminal that the next progress overwrites; nothing where the output is a file. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

function clearProgress(): void {
  progress('');
}

/** Runs one measurement; a failure becomes a line and a NaN, so that the rest of the run is not lost. */
async function attempt(what: string, measure: () => Promise<number>): Promise<number> {
  progress(what);
  try {
    return await measure();
  } catch (error) {
    clearProgress();
    print(`${what}: ${(error as Error).message}`);
    return Number.NaN;
  }
}

async function requestsPart(
  installed: Contestant[],
  context: FootprintContext,
  proxyCores: string | null,
  options: Options,
): Promise<Results> {
  const withDirect = options.only.length === 0 || options.only.includes('direct');
  const { upstream, load, folder } = context;
  const result = await measureRequests(
    installed,
    withDirect,
    upstream,
    load,
    folder,
    proxyCores,
    options,
    progress,
  );
  clearProgress();
  const rows = summarize(result, installed);
  for (const connections of options.connections) print(`\n${requestsTable(rows, connections)}`);
  for (const { name, reason } of result.failures) print(`not measured: ${name}: ${reason}`);
  return { rows, ...result };
}

async function startPart(chosen: Contestant[], context: FootprintContext): Promise<Results> {
  const readyMs: Results = {};
  for (const contestant of chosen) {
    readyMs[contestant.name] = await attempt(`start of ${contestant.name}`, () =>
      measureStart(contestant, context),
    );
  }
  clearProgress();
  const body = Object.entries(readyMs).map(([name, ms]) => [name, decimal(ms as number, 0)]);
  print(`\n${table(['start to first answer', 'ms'], body)}`);
  return { readyMs };
}

async function memoryPart(chosen: Contestant[], context: FootprintContext): Promise<Results> {
  const residentBytes: Record<string, [number, number]> = {};
  for (const contestant of chosen) {
    const measure = (workers: number): Promise<number> =>
      attempt(`memory of ${contestant.name}`, () => measureMemory(contestant, workers, context));
    residentBytes[contestant.name] = [await measure(1), await measure(2)];
  }
  clearProgress();
  const body = Object.entries(residentBytes).map(([name, [one, two]]) => [
    name,
    mebibytes(one),
    mebibytes(two - one),
  ]);
  print(`\n${table(['resident memory', 'one worker', 'further worker'], body)}`);
  return { residentBytes };
}

async function idlePart(chosen: Contestant[], context: FootprintContext, count: number): Promise<Results> {
  const bytes: Results = {};
  for (const contestant of chosen) {
    const measure = (): Promise<number> => measureIdleConnection(contestant, count, context);
    bytes[contestant.name] = await attempt(`idle connections of ${contestant.name}`, measure);
  }
  clearProgress();
  const body = Object.entries(bytes).map(([name, each]) => [name, decimal((each as number) / 1024, 1)]);
  print(`\n${table([`idle connection (${count} open)`, 'KiB each'], body)}`);
  return { count, bytes };
}

async function workersPart(
  chosen: Contestant[],
  context: FootprintContext,
  options: Options,
): Promise<Results> {
  const scaling: Results = {};
  const body: string[][] = [];
  for (const contestant of chosen) {
    await attempt(`workers of ${contestant.name}`, async () => {
      const result = await measureWorkers(contestant, options.rounds, options.seconds, context);
      scaling[contestant.name] = result;
      body.push([
        contestant.name,
        decimal(result.factor, 2),
        result.basis === 'cpu' ? 'CPU per request' : 'requests/s',
      ]);
      return result.factor;
    });
  }
  clearProgress();
  print(`\n${table(['two workers on two cores', 'x one', 'judged by'], body)}`);
  return { scaling };
}

async function bodyPart(chosen: Contestant[], context: FootprintContext, mib: number): Promise<Results> {
  const growth: Results = {};
  const body: string[][] = [];
  for (const contestant of chosen) {
    await attempt(`${mib} MiB through ${contestant.name}`, async () => {
      const result = await measureSlowReader(contestant, mib * 2 ** 20, context.folder);
      growth[contestant.name] = result;
      body.push([
        contestant.name,
        mebibytes(result.downloadGrowthBytes),
        mebibytes(result.uploadGrowthBytes),
      ]);
      return 0;
    });
  }
  clearProgress();
  print(`\n${table([`memory growth, ${mib} MiB to a slow reader`, 'response', 'request'], body)}`);
  return { growth };
}

async function runParts(options: Options, folder: string): Promise<Results> {
  const machine = describeMachine();
  const [proxyCores, loadCores] = machine.pinned ? ['0', machine.cores >= 4 ? '2' : '1'] : [null, null];
  const all = contestants();
  const selected = selectContestants(all, options.only);
  const installed = selected.filter(({ executable }) => executable !== null);
  const missing = selected.filter(({ executable }) => executable === null).map(({ name }) => name);
  const upstream = await startUpstream(folder, machine.cores >= 4 && machine.pinned ? '3' : loadCores);
  const load = createLoadGenerator(options.generator, loadCores);
  const context = { upstream, load, folder };
  print(machineLine(machine));
  print(
    `load by ${load.name}, upstream ${upstream.name}; ${options.rounds} rounds of ${options.seconds} s, medians`,
  );
  if (missing.length > 0) print(`not installed: ${missing.join(', ')}`);

  const bare = installed.filter(({ name }) => name === 'dragoman' || name === 'envoy');
  const footprint = installed.filter(({ name }) => footprintNames.includes(name));
  const parts: Record<PartName, () => Promise<Results>> = {
    requests: () => requestsPart(installed, context, proxyCores, options),
    start: () => startPart(footprint, context),
    memory: () => memoryPart(footprint, context),
    idle: () => idlePart(bare, context, options.idleConnections),
    workers: () => workersPart(bare, context, options),
    body: () => bodyPart(bare, context, options.bodyMib),
  };
  const executables = [...new Set(installed.map(({ executable }) => executable!))];
  const versions = Object.fromEntries(executables.map(file => [path.basename(file), versionOf(file)]));
  const results: Results = { machine, options, versions, load: load.name, upstream: upstream.name };
  try {
    for (const part of options.parts) results[part] = await parts[part]();
  } finally {
    await upstream.child.stop();
  }
  return results;
}

const started = new Date();
const options = readOptions(process.argv.slice(2));
const folder = mkdtempSync(path.join(os.tmpdir(), 'dragoman-benchmark-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const results = await runParts(options, folder);
print(
  `\nwritten to ${path.relative(process.cwd(), writeResult({ time: started.toISOString(), ...results }, started))}`,
);
process.exit(0);
