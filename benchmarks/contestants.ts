// Who is measured: the list of contestants, what each needs to be installed, and the command that starts it.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { bootstrap, type FilterName, filterHeaders, filterNames } from './envoy-config.ts';
import { haproxyProxy, type LuaWork, nginxProxy } from './nginx-config.ts';
import { type Child, findExecutable, freePort, startProcess, waitUntilServing } from './processes.ts';
import { addedHeader } from './workload.ts';

/** How long a contestant may take until it serves. */
const START_TIMEOUT_MS = 15_000;

export interface Setup {
  /** Where the contestant may write its configuration; its own. */
  folder: string;
  listenerPort: number;
  adminPort: number;
  upstreamPort: number;
  workers: number;
}

export interface Contestant {
  readonly name: string;
  /** The contestant of the same product without a filter; null for those themselves. */
  readonly bareName: string | null;
  /** The contestant of real Envoy with the same filter; null where there is none. */
  readonly envoyName: string | null;
  /** A response header that only its filter adds, by which it is checked; null where it has no filter. */
  readonly addedHeader: string | null;
  /** The program it needs, null where that is not installed. */
  readonly executable: string | null;
  command(setup: Setup): string[];
}

export interface RunningContestant {
  readonly contestant: Contestant;
  readonly child: Child;
  readonly port: number;
  readonly adminPort: number;
}

const repository = path.join(import.meta.dirname, '..');
const nginxModules = '/usr/lib/nginx/modules';

export function contestants(): Contestant[] {
  const dragoman = findExecutable(process.env.DRAGOMAN_BIN ?? path.join(repository, 'bin/dragoman-gateway'));
  const envoy = findExecutable(process.env.ENVOY_BIN ?? 'envoy');
  return [
    ...filterNames.map(filter => envoyLike('dragoman', dragoman, filter, [])),
    nginx('none'),
    nginx('header'),
    nginx('heavy'),
    haproxy(),
    ...filterNames.map(filter => envoyLike('envoy', envoy, filter, ['--disable-hot-restart', '-l', 'error'])),
  ];
}

/** Keeps the contestants that `--only` names; a name may end in `*`. */
export function selectContestants(all: Contestant[], only: string[]): Contestant[] {
  if (only.length === 0) return all;
  for (const pattern of only) {
    if (pattern !== 'direct' && !all.some(({ name }) => matches(pattern, name))) {
      throw new Error(
        `--only: nobody is called "${pattern}"; there are ${all.map(({ name }) => name).join(', ')}`,
      );
    }
  }
  return all.filter(({ name }) => only.some(pattern => matches(pattern, name)));
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** Starts a contestant on free ports and waits until it serves. */
export async function startContestant(
  contestant: Contestant,
  folder: string,
  upstreamPort: number,
  cores: string | null,
  workers = 1,
): Promise<RunningContestant & { readyMs: number }> {
  const own = path.join(folder, `${contestant.name}-${workers}`);
  mkdirSync(own, { recursive: true });
  const port = await freePort();
  const adminPort = await freePort();
  const command = contestant.command({ folder: own, listenerPort: port, adminPort, upstreamPort, workers });
  const child = startProcess(contestant.name, command, cores);
  try {
    const { elapsedMs, head } = await waitUntilServing(child, port, START_TIMEOUT_MS);
    if (contestant.addedHeader !== null && !head.toLowerCase().includes(`\r\n${contestant.addedHeader}: `)) {
      throw new Error(`${contestant.name} answers without the header ${contestant.addedHeader}`);
    }
    return { contestant, child, port, adminPort, readyMs: elapsedMs };
  } catch (error) {
    await child.stop();
    throw error;
  }
}

function envoyLike(
  product: 'dragoman' | 'envoy',
  executable: string | null,
  filter: FilterName,
  flags: string[],
): Contestant {
  const suffix = filter === 'bare' ? '' : `-${filter}`;
  return {
    name: `${product}${suffix}`,
    bareName: filter === 'bare' ? null : product,
    envoyName: product === 'dragoman' ? `envoy${suffix}` : null,
    addedHeader: filterHeaders[filter],
    executable,
    command(setup) {
      const ports = { listener: setup.listenerPort, admin: setup.adminPort, upstream: setup.upstreamPort };
      const file = path.join(setup.folder, 'envoy.json');
      writeFileSync(file, JSON.stringify(bootstrap(filter, ports), null, 1));
      return [executable!, '-c', file, '--concurrency', `${setup.workers}`, ...flags];
    },
  };
}

function nginx(lua: LuaWork): Contestant {
  const names = { none: 'nginx', header: 'nginx-lua', heavy: 'nginx-lua-heavy' };
  const modules = ['ndk_http_module.so', 'ngx_http_lua_module.so'].map(name => path.join(nginxModules, name));
  const installed = lua === 'none' || modules.every(file => existsSync(file));
  const lines = lua !== 'none' ? modules.map(file => `load_module ${file};`).join('\n') : '';
  const executable = installed ? findExecutable('nginx') : null;
  return {
    name: names[lua],
    bareName: lua === 'none' ? null : 'nginx',
    envoyName: null,
    addedHeader: { none: null, header: addedHeader.name, heavy: 'x-heavy' }[lua],
    executable,
    command(setup) {
      const file = path.join(setup.folder, 'nginx.conf');
      const ports = { listener: setup.listenerPort, upstream: setup.upstreamPort };
      writeFileSync(file, nginxProxy(setup.folder, ports, lua, lines));
      return [executable!, '-e', 'stderr', '-c', file];
    },
  };
}

function haproxy(): Contestant {
  const executable = findExecutable('haproxy');
  return {
    name: 'haproxy',
    bareName: null,
    envoyName: null,
    addedHeader: null,
    executable,
    command(setup) {
      const file = path.join(setup.folder, 'haproxy.cfg');
      writeFileSync(file, haproxyProxy({ listener: setup.listenerPort, upstream: setup.upstreamPort }));
      return [executable!, '-db', '-f', file];
    },
  };
}
