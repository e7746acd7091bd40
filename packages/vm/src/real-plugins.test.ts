// Plugins as toolchains build them: those of examples/plugins, and those of the folder DRAGOMAN_SHARED names, if it does.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { HeaderList } from './header-list.ts';
import { localHost } from './local-host.ts';
import { LocalStream } from './local-stream.ts';
import { compileModuleSync } from './module/plugin-module.ts';
import { Vm } from './vm.ts';

const folders = [join(import.meta.dirname, '..', '..', '..', 'examples', 'plugins')];
if (process.env.DRAGOMAN_SHARED !== undefined) folders.push(join(process.env.DRAGOMAN_SHARED, 'plugins'));

/** Plugins that want a root id or a configuration of their own. */
const SETTINGS: Readonly<Record<string, { readonly rootId?: string; readonly configuration?: string }>> = {
  'as-header': { rootId: 'as_header' },
  'go-fault-injection': { configuration: '{"body":"hello world","http_status":200}' },
  'go-auth': { configuration: '{}' },
  'go-header': { configuration: '{}' },
  // A configuration that begins with t, f or k has it trap, refuse or tick.
  'c-trap': { configuration: 'conf' },
};
/** Plugins that answer by themselves here: one always, the other because there is no cluster to ask. */
const ANSWERING: ReadonlySet<string> = new Set(['go-fault-injection', 'rust-body']);

describe('real plugins', () => {
  for (const folder of folders.filter(path => existsSync(path))) {
    for (const name of readdirSync(folder).filter(each => existsSync(join(folder, each, `${each}.wasm`)))) {
      test(`${name} starts, sees a request and its response, and ends`, () => {
        const log: string[] = [];
        const host = localHost({ log: (level, line) => log.push(`${level} ${line}`) });
        const vm = Vm.start(compileModuleSync(readFileSync(join(folder, name, `${name}.wasm`))), host, {
          vmId: 'v',
        });
        const { rootId = 'root', configuration = 'text' } = SETTINGS[name] ?? {};
        const root = vm.startRoot({ name: 'p', rootId, configuration: Buffer.from(configuration) });
        const stream = new LocalStream(root);
        const request = { ':authority': 'example.org', ':path': '/', ':method': 'GET', ':scheme': 'http' };
        const expected = ANSWERING.has(name) ? 'answered' : 'continue';
        assert.equal(stream.request(HeaderList.from(request)), expected, log.join('\n'));
        if (expected === 'continue')
          stream.response(HeaderList.from({ ':status': '200', 'content-type': 'text/plain' }));
        stream.end();
        assert.equal(vm.failure, null, log.join('\n'));
        assert.equal(vm.contextCount, 1);
        vm.discard();
      });
    }
  }
});
