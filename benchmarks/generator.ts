// A load generator in a process of its own, for machines without wrk: closed loop, one request at a time on each
// connection, raw sockets, latencies in an HDR histogram. Prints one JSON line.
//   node benchmarks/generator.ts PORT CONNECTIONS SECONDS
import net from 'node:net';
import { build } from 'hdr-histogram-js';
import type { LoadResult } from './load.ts';
import { requestHeaders } from './workload.ts';

const [port, connections, seconds] = process.argv.slice(2).map(Number) as [number, number, number];
const request = Buffer.from(
  `GET / HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n${requestHeaders.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`,
  'latin1',
);
const histogram = build({
  lowestDiscernibleValue: 1,
  highestTrackableValue: 60_000_000,
  numberOfSignificantValueDigits: 3,
});
const sockets = new Set<net.Socket>();
let requests = 0;
let errors = 0;
let running = true;

/** One connection: the state of its request in flight. */
class Client {
  #socket: net.Socket;
  #head = '';
  #bodyLeft = -1;
  #sentMs = 0;

  constructor() {
    this.#socket = net.connect(port, '127.0.0.1', () => this.#send());
    this.#socket.setNoDelay();
    this.#socket.on('data', (bytes: Buffer) => this.#read(bytes));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.#closed());
    sockets.add(this.#socket);
  }

  #send(): void {
    this.#head = '';
    this.#bodyLeft = -1;
    this.#sentMs = performance.now();
    this.#socket.write(request);
  }

  #read(bytes: Buffer): void {
    if (this.#bodyLeft >= 0) {
      this.#bodyLeft -= bytes.length;
    } else {
      this.#head += bytes.latin1Slice();
      const end = this.#head.indexOf('\r\n\r\n');
      if (end < 0) return;
      const length = /\r\ncontent-length: *(\d+)/i.exec(this.#head);
      if (length === null) throw new Error('the response has no content-length, which this generator needs');
      if (!this.#head.startsWith('HTTP/1.1 200')) errors++;
      this.#bodyLeft = Number(length[1]) - (this.#head.length - end - 4);
    }
    if (this.#bodyLeft <= 0) this.#answered();
  }

  #answered(): void {
    if (!running) return;
    requests++;
    histogram.recordValue(Math.max(1, Math.round((performance.now() - this.#sentMs) * 1000)));
    this.#send();
  }

  #closed(): void {
    sockets.delete(this.#socket);
    if (!running) return;
    errors++;
    new Client();
  }
}

const startMs = performance.now();
for (let index = 0; index < connections; index++) new Client();
setTimeout(() => {
  running = false;
  const result: LoadResult = {
    requests,
    errors,
    seconds: (performance.now() - startMs) / 1000,
    p50Us: histogram.getValueAtPercentile(50),
    p99Us: histogram.getValueAtPercentile(99),
  };
  process.stdout.write(`RESULT ${JSON.stringify(result)}\n`, () => process.exit(0));
}, seconds * 1000);
