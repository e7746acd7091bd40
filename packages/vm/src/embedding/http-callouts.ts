// HTTP call-outs for embedders that are no proxy: a map from cluster names to addresses, and Node's HTTP client. Not
// fetch(): that would add headers of its own, follow redirects and unpack bodies, and a plugin wants what was sent.

import {
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestHttp,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { Status } from '@dragoman/abi';
import { HeaderList } from '../header-list.ts';
import type { Callout, HttpCall, HttpCallResponse, VmHost } from '../vm-host.ts';

export interface HttpCalloutOptions {
  /** A longer response body makes the call fail; 16 MiB by default. */
  readonly bodyLimitBytes?: number;
}

const DEFAULT_BODY_LIMIT_BYTES = 16 * 2 ** 20;
/** What Envoy's client answers by itself; plugins compare with these. */
const TIMEOUT_BODY = 'upstream request timeout';
const UNREACHABLE_BODY =
  'upstream connect error or disconnect/reset before headers. reset reason: connection failure';

/** Follows from the body and is written here. */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'connection']);
const BODILESS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS']);

type OnDone = (response: HttpCallResponse | null) => void;

/** The call-outs of one thread; connections are kept between calls. */
export class HttpCallouts {
  readonly #clusters: ReadonlyMap<string, URL>;
  readonly #bodyLimitBytes: number;
  readonly #http = new HttpAgent({ keepAlive: true });
  readonly #https = new HttpsAgent({ keepAlive: true });

  /** `clusters`: "http://host:port" or "https://..." by name. Throws on what is no such address. */
  constructor(clusters: Readonly<Record<string, string | URL>>, options: HttpCalloutOptions = {}) {
    this.#clusters = new Map(
      Object.entries(clusters).map(([name, address]) => [name, clusterUrl(name, address)]),
    );
    this.#bodyLimitBytes = options.bodyLimitBytes ?? DEFAULT_BODY_LIMIT_BYTES;
  }

  /** VmHost.httpCall; BadArgument for a cluster that is not in the map. */
  readonly call: VmHost['httpCall'] = (call: HttpCall, onDone: OnDone): Callout | Status => {
    const cluster = this.#clusters.get(call.upstream);
    if (cluster === undefined) return Status.BadArgument;
    let exchange: CalloutExchange;
    try {
      exchange = new CalloutExchange(this.#start(cluster, call), this.#bodyLimitBytes, onDone);
    } catch {
      // Node refuses names and values that may not go on the wire.
      return Status.BadArgument;
    }
    exchange.send(call);
    return exchange;
  };

  /** Closes idle connections. */
  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  #start(cluster: URL, call: HttpCall): ClientRequest {
    const secure = cluster.protocol === 'https:';
    const headers: string[] = [];
    let [method, path, authority] = ['GET', '/', cluster.host];
    for (let i = 0; i < call.headers.length; i += 2) {
      const [name, value] = [call.headers[i], call.headers[i + 1]];
      if (name === ':method') method = value;
      else if (name === ':path') path = value;
      else if (name === ':authority' || name === 'host') authority = value;
      else if (!name.startsWith(':') && !FRAMING.has(name)) headers.push(name, value);
    }
    if (call.trailers.length > 0) headers.push('transfer-encoding', 'chunked');
    else if (call.body.length > 0 || !BODILESS.has(method))
      headers.push('content-length', String(call.body.length));
    const start = secure ? requestHttps : requestHttp;
    return start({
      agent: secure ? this.#https : this.#http,
      hostname: cluster.hostname.replace(/^\[|\]$/g, ''),
      port: cluster.port === '' ? (secure ? 443 : 80) : Number(cluster.port),
      method,
      path,
      headers: ['host', authority, ...headers] as never,
    });
  }
}

function clusterUrl(name: string, address: string | URL): URL {
  const url = URL.parse(String(address));
  if (url !== null && (url.protocol === 'http:' || url.protocol === 'https:')) return url;
  throw new TypeError(
    `cluster ${name}: expected an address such as "http://127.0.0.1:8080", not "${address}"`,
  );
}

/** One call; tells its end once. */
class CalloutExchange implements Callout {
  readonly #request: ClientRequest;
  readonly #bodyLimitBytes: number;
  #onDone: OnDone | null;
  #timer: NodeJS.Timeout | null = null;

  constructor(request: ClientRequest, bodyLimitBytes: number, onDone: OnDone) {
    this.#request = request;
    this.#bodyLimitBytes = bodyLimitBytes;
    this.#onDone = onDone;
    request.on('response', response => this.#receive(response));
    request.on('error', () => this.#finish(localResponse(503, UNREACHABLE_BODY)));
  }

  send({ body, trailers, timeoutMs }: HttpCall): void {
    const request = this.#request;
    if (timeoutMs > 0) {
      this.#timer = setTimeout(() => {
        this.#finish(localResponse(504, TIMEOUT_BODY));
        request.destroy();
      }, timeoutMs);
    }
    if (trailers.length > 0) {
      const pairs: [string, string][] = [];
      for (let i = 0; i < trailers.length; i += 2) pairs.push([trailers[i], trailers[i + 1]]);
      request.addTrailers(pairs);
    }
    if (body.length > 0) request.end(body);
    else request.end();
  }

  cancel(): void {
    this.#onDone = null;
    clearTimeout(this.#timer ?? undefined);
    this.#request.destroy();
  }

  #receive(response: IncomingMessage): void {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      chunks.push(chunk);
      if (size > this.#bodyLimitBytes) this.#fail();
    });
    response.on('error', () => this.#fail());
    response.on('end', () => {
      const trailers = response.rawTrailers.length === 0 ? null : headerList([], response.rawTrailers);
      const headers = headerList([[':status', String(response.statusCode)]], response.rawHeaders);
      this.#finish({ headers, body: Buffer.concat(chunks), trailers });
    });
  }

  /** The response has begun and will not be whole (S76). */
  #fail(): void {
    this.#finish(null);
    this.#request.destroy();
  }

  #finish(response: HttpCallResponse | null): void {
    const onDone = this.#onDone;
    this.#onDone = null;
    clearTimeout(this.#timer ?? undefined);
    onDone?.(response);
  }
}

function headerList(first: readonly [string, string][], raw: readonly string[]): HeaderList {
  const list = HeaderList.from(first);
  for (let i = 0; i < raw.length; i += 2) list.add(raw[i], raw[i + 1]);
  return list;
}

function localResponse(status: number, text: string): HttpCallResponse {
  const body = Buffer.from(text);
  const headers = HeaderList.from({
    ':status': String(status),
    'content-length': String(body.length),
    'content-type': 'text/plain',
  });
  return { headers, body, trailers: null };
}
