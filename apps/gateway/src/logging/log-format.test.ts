// Envoy's default pattern, the flags people use, and what is passed through.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_LOG_FORMAT, LogFormat } from './log-format.ts';

const record = {
  time: new Date(2026, 0, 9, 7, 5, 3, 42),
  level: 'warning' as const,
  component: 'wasm',
  message: 'one\ntwo "quoted"',
  threadId: 3,
};

test('the default pattern gives the columns that Envoy gives', () => {
  const line = new LogFormat(DEFAULT_LOG_FORMAT).line({ ...record, message: 'ready' });
  assert.equal(line, '[2026-01-09 07:05:03.042][3][warning][wasm] [dragoman/wasm:0] ready\n');
});

test('escaped formats keep a message on one line', () => {
  assert.equal(new LogFormat('%v', true).line(record), 'one\\ntwo "quoted"\n');
  assert.equal(new LogFormat('%_').line(record), 'one\\ntwo "quoted"\n');
  assert.equal(new LogFormat('"%j"').line(record), '"one\\ntwo \\"quoted\\""\n');
});

test('times, letters and literal text', () => {
  const text = (pattern: string) => new LogFormat(pattern).line(record).trimEnd();
  assert.equal(text('%a %b %d %H:%M:%S.%f %p'), 'Fri Jan 09 07:05:03.042000 AM');
  assert.equal(text('%L 100%% %n'), 'W 100% wasm');
  assert.equal(text('no flags'), 'no flags');
  assert.match(text('%z'), /^[+-]\d\d:\d\d$/);
});

test('an unknown flag and a last percent sign stand for themselves', () => {
  assert.equal(new LogFormat('%q %').line(record), '%q %\n');
});
