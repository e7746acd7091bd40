// Which lines pass: one level for all, one for a component, copies for other threads.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LogLevels, parseLogLevel } from './log-levels.ts';

test('a level lets itself and graver ones pass; off lets none', () => {
  const levels = LogLevels.all('warning');
  assert.equal(levels.enabled('info', 'main'), false);
  assert.equal(levels.enabled('warning', 'main'), true);
  assert.equal(levels.enabled('critical', 'wasm'), true);
  levels.setAll('off');
  assert.equal(levels.enabled('critical', 'wasm'), false);
});

test('a component has its own level, an unknown one cannot be set', () => {
  const levels = LogLevels.all('info');
  assert.equal(levels.set('wasm', 'trace'), true);
  assert.equal(levels.enabled('trace', 'wasm'), true);
  assert.equal(levels.enabled('trace', 'main'), false);
  assert.equal(levels.set('nonsense', 'trace'), false);
});

test('a copy follows only when it is told', () => {
  const levels = LogLevels.all('info');
  const copy = new LogLevels(levels.table);
  levels.set('wasm', 'debug');
  assert.equal(copy.enabled('debug', 'wasm'), false);
  copy.assign(levels.table);
  assert.equal(copy.enabled('debug', 'wasm'), true);
});

test('level names are as on the command line', () => {
  assert.equal(parseLogLevel('warn'), 'warning');
  assert.equal(parseLogLevel('error'), 'error');
  assert.equal(parseLogLevel('loud'), null);
});
