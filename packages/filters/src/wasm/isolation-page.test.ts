// docs/PLUGIN_ISOLATION.md shows the settings as they are, with the defaults as they are.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadBootstrap } from '@dragoman/config';
import { readPluginLimits } from './plugin-limits.ts';
import { readSharedStateSettings } from './shared-state-settings.ts';

const page = readFileSync(new URL('../../../../docs/PLUGIN_ISOLATION.md', import.meta.url), 'utf8');

test('the settings on the page are the defaults, and there are no others', () => {
  const configYaml = /```yaml\n([\s\S]*?)```/.exec(page)![1]!;
  const { node } = loadBootstrap({ configYaml }, { unknownFields: 'error', support: [] }).bootstrap!;
  const mistakes: string[] = [];
  const note = (path: string, message: string) => void mistakes.push(`${path}: ${message}`);
  const { demanded: _demanded, ...limits } = readPluginLimits(node, note)('any');
  const { demanded: _none, ...defaults } = readPluginLimits(undefined)('any');
  assert.deepEqual(limits, defaults);
  const shared = readSharedStateSettings(node, note);
  const sharedByDefault = readSharedStateSettings(undefined);
  assert.deepEqual(mistakes, []);
  assert.equal(shared.heapBytes, sharedByDefault.heapBytes);
  assert.deepEqual(shared.policyOf('any'), sharedByDefault.policyOf('any'));
});

test('the page names every cause of a failure', () => {
  const causes = ['trap', 'stack_overflow', 'deadline', 'out_of_memory', 'contract_violation', 'host_error'];
  for (const cause of causes) assert.match(page, new RegExp(`^\\| \`${cause}\` \\|`, 'm'));
});
