// From the bytes of a module to the first response that has passed the plugin, in a process that has done nothing before:
// the median of several processes, for the plugins of examples/ or those named. Target: a Go module of 3 MB in under
// 150 ms. Run: node bench/cold-start.ts [file.wasm ...]

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { compileModule, Guard, HeaderList, LocalStream, localHost, Vm } from '../src/index.ts';

const PROCESSES = 5;
const examples = join(import.meta.dirname, '../../../examples/plugins');
const EXAMPLES = ['c-header', 'as-header', 'rust-header', 'go-header'].map(name =>
  join(examples, name, `${name}.wasm`),
);
/** What the examples need to start: a root id, and for Go a configuration in JSON. */
const settings = (file: string) => ({
  rootId: file.includes('as-header') ? 'as_header' : '',
  configuration: Buffer.from(file.includes('go-') ? '{}' : 'hello'),
});

interface Steps {
  readonly compileMs: number;
  readonly startMs: number;
  readonly requestMs: number;
}

async function measure(file: string): Promise<Steps> {
  const bytes = readFileSync(file);
  const begun = performance.now();
  const module = await compileModule(bytes, { limited: true });
  const compiled = performance.now();
  const vm = Vm.start(module, { ...localHost(), guard: new Guard() });
  const root = vm.startRoot({ name: 'bench', ...settings(file) });
  const started = performance.now();
  const stream = new LocalStream(root);
  stream.request(
    HeaderList.from({ ':method': 'GET', ':path': '/', ':authority': 'example.org', ':scheme': 'http' }),
  );
  stream.response(HeaderList.from({ ':status': '200' }));
  const answered = performance.now();
  vm.discard();
  return { compileMs: compiled - begun, startMs: started - compiled, requestMs: answered - started };
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;
const column = (value: number): string => `${value.toFixed(1).padStart(8)} ms`;

const [only, ...files] = process.argv.slice(2);
if (only === '--once') process.stdout.write(JSON.stringify(await measure(files[0]!)));
else {
  const named = only === undefined ? EXAMPLES : [only, ...files];
  process.stdout.write(
    `${'cold start'.padEnd(24)}${['size', 'compile', 'start', 'first', 'sum'].map(each => each.padStart(11)).join('')}\n`,
  );
  for (const file of named) {
    const runs = Array.from({ length: PROCESSES }, () => {
      const { stdout, stderr, status } = spawnSync(process.execPath, [import.meta.filename, '--once', file], {
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(stderr);
      return JSON.parse(stdout) as Steps;
    });
    const compile = median(runs.map(({ compileMs }) => compileMs));
    const start = median(runs.map(({ startMs }) => startMs));
    const first = median(runs.map(({ requestMs }) => requestMs));
    const sum = median(runs.map(({ compileMs, requestMs, startMs }) => compileMs + startMs + requestMs));
    const size = `${(readFileSync(file).length / 1024).toFixed(0).padStart(7)} KiB`;
    process.stdout.write(
      `${file.split('/').at(-1)!.padEnd(24)}${size}${[compile, start, first, sum].map(column).join('')}\n`,
    );
  }
}
