// What extending a proxy costs its clients: requests/s and P99 without a plugin, with a Wasm plugin in Rust that adds a
// header each way, and with a native filter of the same logic; Dragoman, and real Envoy where it is installed. The same
// rounds as in cpu-per-request.ts, whose options it takes.
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { contestants } from './contestants.ts';
import { createLoadGenerator } from './load.ts';
import { describeMachine, machineLine } from './machine.ts';
import { readOptions } from './options.ts';
import { decimal, table, writeResult } from './report.ts';
import { measureRequests } from './rounds.ts';
import { summarize } from './summary.ts';
import { startUpstream } from './upstream.ts';

/** Contestants by what stands between client and upstream. */
const LINES: readonly (readonly [label: string, suffix: string])[] = [
  ['no plugin', ''],
  ['Wasm plugin (Rust)', '-wasm-rust'],
  ['native filter', '-header-mutation'],
];
/** The article measured 0.84; the aim is 0.95. */
const AIM = 0.95;

const started = new Date();
const options = readOptions(process.argv.slice(2));
const folder = mkdtempSync(path.join(os.tmpdir(), 'dragoman-study-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const machine = describeMachine();
const [proxyCores, loadCores] = machine.pinned ? ['0', machine.cores >= 4 ? '2' : '1'] : [null, null];
const names = ['dragoman', 'envoy'].flatMap(product => LINES.map(([, suffix]) => product + suffix));
const chosen = contestants().filter(({ executable, name }) => executable !== null && names.includes(name));
const upstream = await startUpstream(folder, machine.cores >= 4 && machine.pinned ? '3' : loadCores);
const load = createLoadGenerator(options.generator, loadCores);
process.stdout.write(`${machineLine(machine)}\n`);
try {
  const result = await measureRequests(chosen, false, upstream, load, folder, proxyCores, options, () => {});
  const rows = summarize(result, chosen);
  for (const connections of options.connections) {
    const body = ['dragoman', 'envoy'].flatMap(product =>
      LINES.flatMap(([label, suffix]) => {
        const row = rows.find(each => each.name === product + suffix && each.connections === connections);
        if (row === undefined) return [];
        const kept = suffix === '' ? '' : decimal(row.keptRequests, 3);
        return [
          [`${product}: ${label}`, decimal(row.requestsPerSecond, 0), decimal(row.p99Us / 1000, 2), kept],
        ];
      }),
    );
    process.stdout.write(
      `\n${table([`${connections} connections`, 'requests/s', 'P99 ms', 'of bare'], body)}\n`,
    );
    const wasm = rows.find(row => row.name === 'dragoman-wasm-rust' && row.connections === connections);
    if (wasm !== undefined)
      process.stdout.write(`aim: ${AIM} of bare with Wasm: ${wasm.keptRequests >= AIM ? 'met' : 'missed'}\n`);
  }
  for (const { name, reason } of result.failures) process.stdout.write(`not measured: ${name}: ${reason}\n`);
  writeResult({ time: started.toISOString(), study: 'overhead', machine, options, rows, ...result }, started);
} finally {
  await upstream.child.stop();
}
process.exit(0);
