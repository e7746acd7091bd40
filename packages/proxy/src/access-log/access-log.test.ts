import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Logger } from '@dragoman/base';
import { StatLane, StatTable } from '@dragoman/shm';
import { ResponseFlag } from '../format/response-flags.ts';
import { decoded, formatInput, request } from '../route/test-fixture.ts';
import { compileAccessLogs } from './access-log.ts';
import { LogFiles } from './log-file.ts';

let folder: string;
let table: StatTable;
let files: LogFiles;
let errors: string[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dragoman-log-'));
  const memory = StatLane.create();
  table = new StatTable();
  table.addLane(memory);
  errors = [];
  const logger: Logger = { enabled: () => true, log: (_level, _component, message) => errors.push(message) };
  files = new LogFiles({ lane: new StatLane(memory), flushIntervalMs: 1_000_000, logger });
});

afterEach(() => {
  files.close();
  rmSync(folder, { recursive: true });
});

const at = (name: string): string => join(folder, name);
const content = (name: string): string => readFileSync(at(name), 'latin1');

function counter(name: string): number {
  return table.snapshot().counters.get(`filesystem.${name}`) ?? 0;
}

function log(name: string, settings: Record<string, unknown>, filter?: Record<string, unknown>) {
  const config = decoded('envoy.config.accesslog.v3.AccessLog', {
    name: 'envoy.access_loggers.file',
    ...(filter && { filter }),
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
      path: at(name),
      ...settings,
    },
  });
  return compileAccessLogs([config], { files })[0];
}

const format = (text_format: string) => ({ log_format: { text_format } });

test('the default line', () => {
  const info = { startTimeWallMs: 0, endMs: 12, protocol: 'HTTP/1.1', responseCode: 404, bytesSent: 3 };
  const headers = request('/p', { 'user-agent': 'test/1.0' });
  log('default.log', {}).log(formatInput({ requestHeaders: headers, info }));
  log('default.log', {}).log(formatInput({ info: { ...info, responseCode: 400 } }));
  files.close();
  assert.equal(
    content('default.log'),
    '[1970-01-01T00:00:00.000Z] "GET /p HTTP/1.1" 404 - 0 3 12 - "-" "test/1.0" "-" "proxy.test" "-"\n' +
      '[1970-01-01T00:00:00.000Z] "- - HTTP/1.1" 400 - 0 3 12 - "-" "-" "-" "-" "-"\n',
  );
});

test('the old format fields', () => {
  log('a.log', { format: 'x %PROTOCOL%\n' }).log(formatInput({ info: { protocol: 'HTTP/2' } }));
  log('b.log', { json_format: { p: '%PROTOCOL%' } }).log(formatInput({ info: { protocol: 'HTTP/2' } }));
  files.close();
  assert.equal(content('a.log'), 'x HTTP/2\n');
  assert.equal(content('b.log'), '{"p":"HTTP/2"}\n');
});

const compare = (op: string, value: number) => ({
  comparison: { op, value: { default_value: value, runtime_key: 'k' } },
});
const filters: [title: string, filter: Record<string, unknown>, taken: string][] = [
  ['status GE', { status_code_filter: compare('GE', 400) }, 'bc'],
  ['status NE', { status_code_filter: compare('NE', 200) }, 'bc'],
  ['any flag', { response_flag_filter: {} }, 'c'],
  ['one flag', { response_flag_filter: { flags: ['NR'] } }, ''],
  ['header', { header_filter: { header: { name: 'x-log' } } }, 'ab'],
  ['duration', { duration_filter: compare('LE', 10) }, 'a'],
  ['traceable', { traceable_filter: {} }, ''],
  ['not health check', { not_health_check_filter: {} }, 'abc'],
  ['log type', { log_type_filter: { types: ['DownstreamEnd'], exclude: true } }, ''],
  ['grpc status', { grpc_status_filter: { statuses: ['UNAVAILABLE'] } }, 'c'],
  [
    'and',
    {
      and_filter: {
        filters: [
          { status_code_filter: compare('GE', 400) },
          { header_filter: { header: { name: 'x-log' } } },
        ],
      },
    },
    'b',
  ],
  [
    'or',
    { or_filter: { filters: [{ duration_filter: compare('LE', 10) }, { response_flag_filter: {} }] } },
    'ac',
  ],
  ['never', { runtime_filter: { runtime_key: 'k', percent_sampled: { numerator: 0 } } }, ''],
  [
    'metadata',
    {
      metadata_filter: {
        matcher: { filter: 'ns', path: [{ key: 'k' }], value: { string_match: { exact: 'v' } } },
        match_if_key_not_found: false,
      },
    },
    'a',
  ],
];

for (const [title, filter, taken] of filters) {
  test(`filter: ${title}`, () => {
    const compiled = log('filtered.log', format('%REQ(:PATH)%'), filter);
    const logged = { 'x-log': 'yes' };
    const metadata = { dynamicMetadata: { ns: { k: 'v' } } };
    compiled.log(
      formatInput({
        requestHeaders: request('a', logged),
        info: { responseCode: 200, endMs: 5, ...metadata },
      }),
    );
    compiled.log(
      formatInput({ requestHeaders: request('b', logged), info: { responseCode: 404, endMs: 50 } }),
    );
    compiled.log(
      formatInput({
        requestHeaders: request('c'),
        info: { responseCode: 503, endMs: 50, responseFlags: ResponseFlag.UpstreamOverflow },
      }),
    );
    files.close();
    assert.equal(content('filtered.log'), taken);
  });
}

test('a log that cannot be opened, or is of an unknown type, is refused', () => {
  assert.throws(() => log('no/such/folder.log', {}), /unable to open file '.*no\/such\/folder\.log'/);
  const config = decoded('envoy.config.accesslog.v3.AccessLog', {
    name: 'x',
    typed_config: { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: 'x' },
  });
  assert.throws(
    () => compileAccessLogs([config], { files }),
    /google\.protobuf\.StringValue is not supported/,
  );
});

/** Resolves when what was written has reached the file. */
async function written(file: { readonly idle: boolean }): Promise<void> {
  while (!file.idle) await new Promise(resolve => setImmediate(resolve));
}

test('lines gather until a flush; reopen follows a rotated file', async () => {
  const file = files.open(at('rotated.log'));
  file.write('one\n');
  assert.equal(content('rotated.log'), '');
  assert.equal(counter('write_buffered'), 1);
  file.flush();
  await written(file);
  renameSync(at('rotated.log'), at('rotated.log.1'));
  files.reopen();
  file.write('two\n');
  file.flush();
  await written(file);
  assert.equal(content('rotated.log.1'), 'one\n');
  assert.equal(content('rotated.log'), 'two\n');
});

test('much text is written without a flush', async () => {
  const file = files.open(at('much.log'));
  const line = `${'x'.repeat(1023)}\n`;
  for (let i = 0; i < 64; i++) file.write(line);
  await written(file);
  assert.equal(counter('write_completed'), 1);
  assert.equal(counter('flushed_by_timer'), 0);
});

test('a file that cannot be written costs lines, and is told once', async () => {
  const file = files.open('/dev/full');
  for (let i = 1; i <= 2; i++) {
    file.write('x\n');
    file.flush();
    await written(file);
    assert.equal(counter('write_failed'), i);
  }
  assert.equal(errors.length, 1);
  assert.match(errors[0], /access log \/dev\/full: ENOSPC/);
});
