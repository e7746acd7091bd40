// Flags in all their forms, and the text of each mistake.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CommandLine, parseCommandLine, type Settings } from './command-line.ts';

const parse = (...args: string[]): CommandLine => parseCommandLine('dragoman-gateway', args);

function settings(...args: string[]): Settings {
  const line = parse(...args);
  assert.ok('settings' in line, 'exitCode' in line ? line.output : '');
  return line.settings;
}

function refusal(...args: string[]): { exitCode: number; output: string } {
  const line = parse(...args);
  assert.ok('exitCode' in line, 'accepted');
  return line;
}

test('without arguments there are Envoy’s defaults', () => {
  const { configPath, mode, logLevel, drainTimeMs, concurrency } = settings();
  assert.deepEqual(
    { configPath, mode, logLevel, drainTimeMs },
    {
      configPath: undefined,
      mode: 'serve',
      logLevel: 'info',
      drainTimeMs: 600_000,
    },
  );
  assert.ok(concurrency >= 1);
});

test('values follow a space or an equals sign', () => {
  assert.equal(settings('-c', 'a.yaml').configPath, 'a.yaml');
  assert.equal(settings('--config-path', 'a.yaml').configPath, 'a.yaml');
  assert.equal(settings('--config-path=a.yaml').configPath, 'a.yaml');
  assert.equal(settings('-l', 'debug').logLevel, 'debug');
  assert.equal(settings('--log-level=warn').logLevel, 'warning');
  assert.equal(settings('--concurrency', '4').concurrency, 4);
  assert.equal(settings('--concurrency=0').concurrency, 1);
});

test('a configuration text may have lines and begin with a dash', () => {
  const text = '- a\n- b: "c"\n';
  assert.equal(settings(`--config-yaml=${text}`).configYaml, text);
  assert.equal(settings('--config-yaml', 'a: 1\nb: 2').configYaml, 'a: 1\nb: 2');
});

test('component levels', () => {
  const levels = settings('--component-log-level', 'wasm:trace,upstream:warn').componentLogLevels;
  assert.deepEqual(
    [...levels],
    [
      ['wasm', 'trace'],
      ['upstream', 'warning'],
    ],
  );
});

test('flags without a meaning here are accepted and named', () => {
  const { ineffective } = settings('--base-id', '3', '--disable-hot-restart', '--restart-epoch=0');
  assert.deepEqual(ineffective, ['--base-id', '--restart-epoch', '--disable-hot-restart']);
});

test('each mistake is one line and exit status 1', () => {
  const cases: [string[], RegExp][] = [
    [['--nope'], /^error: unknown option '--nope'/],
    [['-c'], /argument missing/],
    [['--mode', 'fly'], /^error: unknown mode 'fly'\n$/],
    [['-l', 'loud'], /^error: invalid log level specified 'loud'\n$/],
    [['--component-log-level', 'wasm'], /^error: component log level not correctly specified 'wasm'\n$/],
    [['--component-log-level', 'nope:info'], /^error: invalid component specified 'nope'\n$/],
    [['--concurrency', 'many'], /it must be a whole number/],
    [['envoy.yaml'], /too many arguments/],
  ];
  for (const [args, message] of cases) {
    const { exitCode, output } = refusal(...args);
    assert.equal(exitCode, 1, args.join(' '));
    assert.match(output, message);
    assert.equal(output.trimEnd().split('\n').length, 1, output);
  }
});

test('help and version exit with 0', () => {
  assert.match(refusal('--help').output, /--config-path <file>/);
  assert.equal(refusal('--help').exitCode, 0);
  assert.match(
    refusal('--version').output,
    /^\ndragoman-gateway {2}version: [0-9a-f]{40}\/\d+\.\d+\.\d+\/Clean\//,
  );
  assert.equal(refusal('--version').exitCode, 0);
});
