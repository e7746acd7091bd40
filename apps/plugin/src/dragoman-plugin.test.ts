// The tool as a program, and the examples of its documentation as they stand there.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { hostCall } from '@dragoman/abi';
import { ModuleBuilder, op } from '@dragoman/testkit';

const root = join(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'dragoman-plugin-'));
after(() => rmSync(folder, { recursive: true }));

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const main = join(import.meta.dirname, 'main.ts');
  return spawnSync(process.execPath, [main, ...args], { cwd: root, encoding: 'utf8' });
}

function file(name: string, content: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const goPlugin = 'examples/plugins/go-header/go-header.wasm';
const rustPlugin = 'examples/plugins/rust-header/rust-header.wasm';

/** Traps on every request, imports something unknown. */
function trapping(): string {
  const module = new ModuleBuilder();
  module.importFunction('env', 'redis_init', 'i>i');
  module.function('>', [], 'proxy_abi_version_0_2_1');
  module.function('i>i', op.i32(1024), 'malloc');
  module.function('iii>i', op.unreachable, 'proxy_on_request_headers');
  module.memory({ minimum: 1 });
  return file('trapping.wasm', module.build());
}

/** Pauses every request for a call-out that `auth` is to answer; goes on with it whatever comes. */
function asking(): string {
  const module = new ModuleBuilder();
  const index = (name: string) => module.importFunction('env', name, hostCall.get(name)!.type);
  const [call, effective, proceed] = [
    'proxy_http_call',
    'proxy_set_effective_context',
    'proxy_continue_stream',
  ].map(index);
  module.function('>', [], 'proxy_abi_version_0_2_1');
  module.function('i>i', op.i32(4096), 'malloc');
  // Three pairs: :method GET, :path /, :authority auth.
  const texts = [':method', 'GET', ':path', '/', ':authority', 'auth'];
  const head = Buffer.alloc(4 + 8 * 3);
  head.writeUInt32LE(3);
  texts.forEach((text, i) => {
    head.writeUInt32LE(text.length, 4 + 4 * i);
  });
  const pairs = Buffer.concat([head, Buffer.from(texts.map(text => `${text}\0`).join(''))]);
  const zeros = [0, 0, 0, 0].flatMap(op.i32);
  module.function(
    'iii>i',
    [
      ...[1024, 4, 2048, pairs.length].flatMap(op.i32),
      ...zeros,
      ...op.i32(1000),
      ...op.i32(16),
      ...op.call(call!),
      ...op.drop,
      ...op.i32(1),
    ],
    'proxy_on_request_headers',
  );
  module.function(
    'iiiii>',
    [...op.i32(2), ...op.call(effective!), ...op.drop, ...op.i32(0), ...op.call(proceed!), ...op.drop],
    'proxy_on_http_call_response',
  );
  module.memory({ minimum: 1 });
  module.data(1024, 'auth');
  module.data(2048, pairs);
  return file('asking.wasm', module.build());
}

describe('dragoman-plugin inspect', () => {
  test('says what a module is, as text and as JSON', () => {
    const { status, stdout } = run('inspect', goPlugin);
    assert.equal(status, 0);
    assert.match(stdout, /ABI {8}0\.2\.0\n {2}toolchain {2}Go go1/);
    const json = JSON.parse(run('inspect', rustPlugin, '--format', 'json').stdout);
    assert.deepEqual(
      [json.abiVersion, json.toolchain, json.unlimitedBecause],
      ['0.2.1', 'unknown (no producers section)', null],
    );
    assert.ok(json.imports.every(({ known }: { known: boolean }) => known));
  });

  test('names imports that nobody offers; --strict fails for them', () => {
    const path = trapping();
    const { status, stdout } = run('inspect', path);
    assert.equal(status, 0);
    assert.match(stdout, /unknown {4}traps when it calls one of these:\n {13}env\.redis_init \(i>i\)/);
    assert.equal(run('inspect', '--strict', path).status, 1);
  });

  test('refuses what is no plugin, saying why', () => {
    const module = new ModuleBuilder();
    module.memory({ minimum: 1 });
    for (const [path, reason] of [
      [file('text.wasm', 'some text'), /not a wasm file: it begins with 736f6d65/],
      [file('bare.wasm', module.build()), /missing or unknown Proxy-Wasm ABI version/],
      [join(folder, 'nowhere.wasm'), /no such file/],
    ] as const) {
      const { status, stderr, stdout } = run('inspect', path);
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(stderr, reason);
    }
  });
});

describe('dragoman-plugin test', () => {
  test('shows every host call with its result, and passes', () => {
    const { status, stdout } = run('test', goPlugin, 'examples/plugins/go-header/requests.yaml');
    assert.equal(status, 0, stdout);
    assert.match(stdout, /add_header_map_value\(HttpResponseHeaders, "x-auth", "token-1"\) = Ok +\d/);
    assert.match(stdout, /http_call\("auth", \d headers, "", 0 headers, 5000\) = \d+ /);
    assert.match(stdout, /\n2 of 2 as expected\n$/);
  });

  test('says of each expectation that is not met what there was instead, and exits with 1', () => {
    const requests = file(
      'wrong.yaml',
      `
plugin: { configuration: hello }
requests:
  - name: wrong
    response: { status: 200, headers: { x-a: '1' }, body: there }
    expect:
      answered: true
      request: { headers: { x-rust-header: goodbye, x-none: here } }
      response: { status: 404, headers: { x-a: null, x-rust-header: /^hel+o$/ }, body: here }
      logs: [nothing of this]
      calls: [{ cluster: auth }]
`,
    );
    const { status, stdout } = run('test', '--quiet', rustPlugin, requests);
    assert.equal(status, 1);
    assert.deepEqual(stdout.split('\n'), [
      'FAIL wrong: continue',
      '     ! expected answered: true, got continue',
      '     ! request header x-rust-header: expected "goodbye", got "hello"',
      '     ! request header x-none: expected "here", there is none',
      '     ! response header :status: expected "404", got "200"',
      '     ! response header x-a: expected none, got "1"',
      '     ! response body: expected "here", got "there"',
      '     ! no log line has "nothing of this"',
      '     ! expected 1 call-outs, got 0 ()',
      '',
      '1 of 1 not as expected',
      '',
    ]);
  });

  test('shows the death of a plugin with its backtrace; the next request finds a fresh instance', () => {
    const requests = file('trap.yaml', 'requests: [{ name: one }, { name: two, expect: { failure: trap } }]');
    const { status, stdout } = run('run', trapping(), requests);
    assert.equal(status, 1);
    assert.match(stdout, /FAIL one: answered/);
    assert.match(
      stdout,
      /died in proxy_on_request_headers: RuntimeError: unreachable\n +0: {2}0x[0-9a-f]+ - /,
    );
    assert.match(stdout, /! the plugin died: trap/);
    assert.match(stdout, /ok {3}two: answered/);
  });

  test('answers call-outs from the file; a pause that nothing can end is told', () => {
    const path = asking();
    const answering = file(
      'auth.yaml',
      'clusters: { auth: [{ status: 200 }, { fails: true }] }\nrequests: [{}]',
    );
    assert.equal(run('test', path, answering).status, 0);
    const silent = file('silent.yaml', 'requests: [{ name: waits }]');
    const { status, stdout } = run('test', '-q', path, silent);
    assert.equal(status, 1);
    assert.match(stdout, /FAIL waits: paused\n.*the plugin pauses, and nothing is under way/);
  });

  test('refuses a file it does not understand, naming the place', () => {
    for (const [text, reason] of [
      [
        'requests: [{ expect: { header: 1 } }]',
        /requests\[0\]\.expect: there is no "header"; there is request, /,
      ],
      ['requests: []', /requests: there is none/],
      ['requests: [', /broken\.yaml: .*line 1/s],
    ] as const) {
      const { status, stderr } = run('test', rustPlugin, file('broken.yaml', text));
      assert.equal(status, 2);
      assert.match(stderr, reason);
    }
  });

  test('a plugin that does not start is told with what it has logged', () => {
    const requests = file('start.yaml', 'plugin: { configuration: "{" }\nrequests: [{}]');
    const { status, stderr } = run('test', goPlugin, requests);
    assert.equal(status, 2);
    assert.match(
      stderr,
      /proxy_on_configure returned false\n {2}\| .*plugin configuration: unexpected end of JSON/,
    );
  });
});

describe('dragoman-plugin bench', () => {
  test('measures each callback', () => {
    const { status, stdout } = run('bench', rustPlugin, '--requests', '20', '--format', 'json');
    assert.equal(status, 0);
    const { callbacks, memoryBytes, request } = JSON.parse(stdout);
    const headers = callbacks.find(({ name }: { name: string }) => name === 'proxy_on_request_headers');
    assert.equal(headers.calls, 1);
    assert.ok(headers.nanoseconds > 0 && request.nanoseconds > headers.nanoseconds && memoryBytes > 0);
    assert.equal(run('bench', rustPlugin, '--requests', '0').status, 2);
  });

  test('a plugin that dies, also of an endless loop, is told instead of figures', () => {
    const trapped = run('bench', trapping(), '--requests', '20');
    assert.equal(trapped.status, 2);
    assert.match(
      trapped.stderr,
      /the plugin died in proxy_on_request_headers: RuntimeError: unreachable\n +0: /,
    );
    const module = new ModuleBuilder();
    module.function('>', [], 'proxy_abi_version_0_2_1');
    module.function('i>i', op.i32(1024), 'malloc');
    module.function('iii>i', [...op.forever, ...op.i32(0)], 'proxy_on_request_headers');
    module.memory({ minimum: 1 });
    const { status, stderr } = run('bench', file('endless.wasm', module.build()), '--requests', '20');
    assert.equal(status, 2);
    assert.match(stderr, /the deadline of 50 ms has passed/);
  });
});

test('wrong usage exits with 2, help with 0', () => {
  assert.equal(run('inspect').status, 2);
  assert.equal(run('polish', rustPlugin).status, 2);
  assert.equal(run('--help').status, 0);
});

test('the commands and the file of the documentation work', () => {
  const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
  const commands = [...readme.matchAll(/^bin\/dragoman-plugin ([^#\n]*)/gm)].map(([, args]) =>
    args!.trim().split(' '),
  );
  assert.ok(commands.length >= 3);
  const yaml = /```yaml\n([\s\S]*?)```/.exec(readme)?.[1];
  const path = file('requests.yaml', yaml!);
  for (const args of commands) {
    const { status, stderr, stdout } = run(...args.map(arg => (arg === 'requests.yaml' ? path : arg)));
    assert.equal(status, 0, stdout + stderr);
  }
});
