// Child processes of the benchmark: start them pinned to cores, wait until they serve, read their CPU time and
// memory from /proc, and end them with the benchmark. Linux only.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';

/** How much of a child's output is kept for an error message. */
const OUTPUT_LIMIT_CHARS = 16_384;
const STOP_TIMEOUT_MS = 2000;

export interface Child {
  readonly name: string;
  readonly pid: number;
  /** The end of what it wrote to both outputs. */
  output(): string;
  exited(): boolean;
  /** Asks it to end, insists after STOP_TIMEOUT_MS, resolves when it is gone. */
  stop(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) killGroup(child);
});
process.on('SIGINT', () => process.exit(130));
process.on('SIGTERM', () => process.exit(143));

/** Kills a child with all its descendants (each child leads a process group), whichever are left. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // all gone already
  }
}

/** The full path of an executable, null where PATH (and /usr/sbin) has none of that name. */
export function findExecutable(name: string): string | null {
  const folders = name.includes('/')
    ? ['']
    : [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  for (const folder of folders) {
    const file = path.resolve(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // not in this folder
    }
  }
  return null;
}

export const taskset = findExecutable('taskset');

/** Starts a command; `cores` is a taskset list such as "0" or "0,1", null leaves the choice to the kernel. */
export function startProcess(name: string, command: readonly string[], cores: string | null): Child {
  const pinned = cores !== null && taskset !== null ? [taskset, '-c', cores, ...command] : [...command];
  const child = spawn(pinned[0]!, pinned.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  running.add(child);
  let output = '';
  const keep = (bytes: Buffer): void => {
    output = (output + bytes.toString()).slice(-OUTPUT_LIMIT_CHARS);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  let gone = false;
  const end = new Promise<void>(resolve => {
    const finish = (): void => {
      gone = true;
      running.delete(child);
      resolve();
    };
    child.once('exit', finish);
    child.once('error', error => {
      output += error.message;
      finish();
    });
  });
  return {
    name,
    pid: child.pid ?? -1,
    output: () => output,
    exited: () => gone,
    async stop() {
      child.kill('SIGTERM');
      const insist = setTimeout(() => killGroup(child), STOP_TIMEOUT_MS);
      await end;
      clearTimeout(insist);
    },
  };
}

/** A TCP port that nobody listens on at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

export interface FirstAnswer {
  /** From the call until the answer. */
  elapsedMs: number;
  /** The beginning of the answer, with its header lines. */
  head: string;
}

/** Asks GET / on the port until the answer is 200; rejects with the child's own words where that never comes. */
export async function waitUntilServing(child: Child, port: number, timeoutMs: number): Promise<FirstAnswer> {
  const startMs = performance.now();
  for (;;) {
    const head = await ask(port);
    const elapsedMs = performance.now() - startMs;
    if (head.startsWith('HTTP/1.1 200')) return { elapsedMs, head };
    if (child.exited()) throw new Error(`${child.name} ended: ${lastLines(child.output())}`);
    if (elapsedMs > timeoutMs) throw new Error(`${child.name} does not serve: ${lastLines(child.output())}`);
    await new Promise(resolve => setTimeout(resolve, 2));
  }
}

function ask(port: number): Promise<string> {
  return new Promise(resolve => {
    const socket = net.connect(port, '127.0.0.1');
    socket.setTimeout(1000, () => socket.destroy());
    let head = '';
    socket.once('connect', () =>
      socket.write('GET / HTTP/1.1\r\nhost: benchmark\r\nconnection: close\r\n\r\n'),
    );
    socket.on('data', bytes => {
      head += bytes.toString('latin1');
      if (head.includes('\r\n\r\n')) socket.destroy();
    });
    socket.once('error', () => {});
    socket.once('close', () => resolve(head));
  });
}

function lastLines(text: string): string {
  return text.trim().split('\n').slice(-2).join(' | ').slice(0, 400) || '(no output)';
}

export interface CpuTime {
  userUs: number;
  systemUs: number;
}

const clockTicksPerSecond = Number(execFileSync('getconf', ['CLK_TCK']));

/** CPU time used so far by a process and its living descendants. */
export function cpuTime(pid: number): CpuTime {
  let user = 0;
  let system = 0;
  for (const member of processTree(pid)) {
    const fields = statFields(member);
    user += Number(fields[11]);
    system += Number(fields[12]);
  }
  const tickUs = 1_000_000 / clockTicksPerSecond;
  return { userUs: user * tickUs, systemUs: system * tickUs };
}

/** Resident memory of a process and its living descendants. */
export function residentBytes(pid: number): number {
  let kilobytes = 0;
  for (const member of processTree(pid)) {
    const line = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${member}/status`, 'latin1'));
    kilobytes += line === null ? 0 : Number(line[1]);
  }
  return kilobytes * 1024;
}

/** The fields of /proc/PID/stat from the third on (proc_pid_stat(5)); the second may contain blanks. */
function statFields(pid: number): string[] {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function processTree(root: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    try {
      const parent = Number(statFields(pid)[1]);
      children.set(parent, [...(children.get(parent) ?? []), pid]);
    } catch {
      // ended between the listing and the reading
    }
  }
  const tree = [root];
  for (let index = 0; index < tree.length; index++) tree.push(...(children.get(tree[index]!) ?? []));
  return tree;
}
