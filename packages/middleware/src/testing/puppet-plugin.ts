// A plugin whose guest does what a test says, and servers that end with the test.

import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { CALLBACKS, encodePairs, HOST_CALLS, WASI_FUNCTIONS } from '@dragoman/abi';
import { Puppet } from '@dragoman/testkit';
import { Plugin, type PluginOptions } from '@dragoman/vm';

/** What a test has opened, to be closed in reverse order. */
export class Opened {
  readonly #closers: (() => unknown)[] = [];

  add(close: () => unknown): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
  }

  async plugin(options: PluginOptions = {}): Promise<{ puppet: Puppet; plugin: Plugin }> {
    const puppet = new Puppet({ hostCalls: HOST_CALLS, callbacks: CALLBACKS, wasi: WASI_FUNCTIONS });
    const imports = puppet.imports as PluginOptions['imports'] & object;
    const plugin = await Plugin.load(puppet.bytes, { imports, ...options });
    this.add(() => plugin.close());
    return { puppet, plugin };
  }

  /** Listens on a free port; the address. */
  async listen(listener: (request: IncomingMessage, response: ServerResponse) => unknown): Promise<string> {
    const server = createServer(listener as RequestListener);
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    this.add(() => closeServer(server));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
}

function closeServer(server: Server): void {
  server.close();
  server.closeAllConnections();
}

export const MAP = { request: 0, requestTrailers: 1, response: 2, responseTrailers: 3, call: 6 } as const;

/** The guest adds a header; answers Continue. */
export const addHeader = (puppet: Puppet, map: number, name: string, value: string) => (): number =>
  puppet.call('proxy_add_header_map_value', map, name, value);

/** The guest puts `change(body)` in the place of the piece of body it is shown (0: request, 1: response). */
export const changeBody =
  (puppet: Puppet, buffer: 0 | 1, change: (text: string) => string) =>
  (_id: number, size: number): number => {
    if (size === 0) return 0;
    const text = puppet.ask('proxy_get_buffer_bytes', buffer, 0, size).text!;
    return puppet.call('proxy_set_buffer_bytes', buffer, 0, size, change(text));
  };

/** The guest answers by itself. */
export const answer =
  (puppet: Puppet, status: number, body: string, headers: string[] = []) =>
  (): number => {
    puppet.call('proxy_send_local_response', status, 'told_so', body, Buffer.from(encodePairs(headers)), -1);
    return 1;
  };

/** The guest asks a cluster and pauses; the answer's status becomes a header of the request, which then goes on. */
export function askFirst(puppet: Puppet, cluster: string): void {
  const head = Buffer.from(encodePairs([':method', 'GET', ':path', '/', ':authority', cluster]));
  let asking = 0;
  puppet.on.proxy_on_request_headers = id => {
    asking = id;
    return puppet.call('proxy_http_call', cluster, head, '', '', 5000, puppet.slot(4)) === 0 ? 1 : 0;
  };
  puppet.on.proxy_on_http_call_response = () => {
    const status = puppet.ask('proxy_get_header_map_value', MAP.call, ':status').text!;
    puppet.call('proxy_set_effective_context', asking);
    puppet.call('proxy_add_header_map_value', MAP.request, 'x-asked', status);
    return puppet.call('proxy_continue_stream', 0);
  };
}
