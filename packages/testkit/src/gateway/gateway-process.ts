// The real program, started as a user starts it: for tests that want the whole way from a configuration file to the exit
// status. Ports are 0 in the configuration and asked for afterwards.

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../../../..');
/** Said when all listeners are up. */
const READY_LINE = 'starting main dispatch loop';
const PATIENCE_MS = 20_000;

export interface GatewayOptions {
  /** Configuration text, written to a file and given by -c. */
  readonly config?: string;
  readonly args?: readonly string[];
  readonly program?: 'dragoman-gateway' | 'dragoman-sidecar';
  readonly env?: Record<string, string>;
}

export interface GatewayExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class GatewayProcess {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #exited: Promise<GatewayExit>;
  #stdout = '';
  #stderr = '';
  #onOutput: () => void = () => {};

  private constructor(options: GatewayOptions) {
    this.#folder = mkdtempSync(join(tmpdir(), 'dragoman-test-'));
    const args = [...(options.args ?? [])];
    if (options.config !== undefined) {
      writeFileSync(this.configPath, options.config);
      args.unshift('-c', this.configPath);
    }
    args.push('--admin-address-path', join(this.#folder, 'admin'));
    this.#child = spawn(join(ROOT, 'bin', options.program ?? 'dragoman-gateway'), args, {
      cwd: ROOT,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout!.on('data', data => {
      this.#stdout += data;
      this.#onOutput();
    });
    this.#child.stderr!.on('data', data => {
      this.#stderr += data;
      this.#onOutput();
    });
    this.#exited = new Promise(done => {
      this.#child.on('close', (code, signal) => {
        this.#onOutput();
        rmSync(this.#folder, { recursive: true, force: true });
        done({ code, signal, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  /** Starts the program and waits until its listeners are up. */
  static async start(options: GatewayOptions): Promise<GatewayProcess> {
    const gateway = new GatewayProcess(options);
    await gateway.logged(READY_LINE);
    return gateway;
  }

  /** Starts the program and does not wait for anything. */
  static launch(options: GatewayOptions): GatewayProcess {
    return new GatewayProcess(options);
  }

  /** Runs the program to its end: for configurations that are refused, --help and the like. */
  static run(options: GatewayOptions): Promise<GatewayExit> {
    return new GatewayProcess(options).#exited;
  }

  get configPath(): string {
    return join(this.#folder, 'envoy.yaml');
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get log(): string {
    return this.#stderr;
  }

  /** Waits until the program has written `text`. */
  logged(text: string): Promise<void> {
    return new Promise((done, failed) => {
      const patience = setTimeout(() => {
        this.#child.kill('SIGKILL');
        failed(new Error(`"${text}" was not logged within ${PATIENCE_MS} ms:\n${this.#stderr}`));
      }, PATIENCE_MS);
      this.#onOutput = () => {
        const found = this.#stderr.includes(text) || this.#stdout.includes(text);
        if (!found && this.#child.exitCode === null && this.#child.signalCode === null) return;
        clearTimeout(patience);
        this.#onOutput = () => {};
        if (found) done();
        else
          failed(new Error(`the program ended (${this.#child.exitCode}) before "${text}":\n${this.#stderr}`));
      };
      this.#onOutput();
    });
  }

  /** Waits until a file, which may not exist yet, holds `text`. */
  async fileHas(path: string, text: string): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (performance.now() < end) {
      if (existsSync(path) && readFileSync(path, 'utf8').includes(text)) return;
      await new Promise(resolve => setTimeout(resolve, 5));
    }
    throw new Error(`"${text}" did not come into ${path} within ${PATIENCE_MS} ms`);
  }

  /** A request to the admin interface. */
  admin(path: string, method: 'GET' | 'POST' = 'GET'): Promise<Response> {
    const address = readFileSync(join(this.#folder, 'admin'), 'utf8');
    return fetch(`http://${address}${path}`, { method });
  }

  /** Ports of the listeners, by name. */
  async ports(): Promise<Record<string, number>> {
    interface Status {
      readonly name: string;
      readonly local_address: { readonly socket_address: { readonly port_value: number } };
    }
    const { listener_statuses } = (await (await this.admin('/listeners?format=json')).json()) as {
      listener_statuses: Status[];
    };
    return Object.fromEntries(
      listener_statuses.map(({ name, local_address }) => [name, local_address.socket_address.port_value]),
    );
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** The exit of a program that was told to end. */
  get exited(): Promise<GatewayExit> {
    return this.#exited;
  }

  /** Ends the program at once, if it still runs: a leftover one would keep the test's process alive. */
  kill(): Promise<GatewayExit> {
    return this.stop('SIGKILL');
  }

  /** Asks the program to end, if it still runs, and waits for its exit. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<GatewayExit> {
    this.#child.kill(signal);
    return this.#exited;
  }
}
