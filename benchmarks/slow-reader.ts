// Backpressure: a large body through a proxy to a reader that stalls and then reads slower than the sender can
// send, downstream and upstream, while the proxy's resident memory is watched.
import http from 'node:http';
import net from 'node:net';
import { type Contestant, startContestant } from './contestants.ts';
import { residentBytes } from './processes.ts';

/** The reader reads nothing for this long, then at this rate. */
const STALL_MS = 2000;
const BYTES_PER_MS = 128 * 1024;
const SAMPLE_MS = 50;
const CHUNK = Buffer.alloc(64 * 1024, 'x');

export interface SlowReaderResult {
  bytes: number;
  /** Most resident memory during the transfer, less what there was before it. */
  downloadGrowthBytes: number;
  uploadGrowthBytes: number;
}

export async function measureSlowReader(
  contestant: Contestant,
  bytes: number,
  folder: string,
): Promise<SlowReaderResult> {
  const server = await startBodyServer(bytes);
  const upstreamPort = (server.address() as net.AddressInfo).port;
  const running = await startContestant(contestant, folder, upstreamPort, null);
  try {
    const { pid } = running.child;
    const downloadGrowthBytes = await watchGrowth(pid, () => downloadSlowly(running.port, bytes));
    const uploadGrowthBytes = await watchGrowth(pid, () => upload(running.port, bytes));
    return { bytes, downloadGrowthBytes, uploadGrowthBytes };
  } finally {
    await running.child.stop();
    server.closeAllConnections();
    server.close();
  }
}

/** GET /body sends the body as fast as it is taken, POST /body reads one slowly, anything else is answered 200. */
function startBodyServer(bytes: number): Promise<http.Server> {
  const server = http.createServer((request, response) => {
    if (request.url !== '/body') {
      response.end('ready\n');
    } else if (request.method === 'GET') {
      response.writeHead(200, { 'content-length': bytes });
      sendBody(response, bytes);
    } else {
      paceReading(request, () => response.end('read\n'));
    }
  });
  server.requestTimeout = 0;
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server)));
}

function sendBody(stream: NodeJS.WritableStream, bytes: number): void {
  let left = bytes;
  const send = (): void => {
    while (left > 0) {
      const chunk = left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK;
      left -= chunk.length;
      if (!stream.write(chunk) && left > 0) {
        stream.once('drain', send);
        return;
      }
    }
    stream.end();
  };
  send();
}

/** Stalls, then takes from the stream no more than the rate allows. */
function paceReading(stream: NodeJS.ReadableStream, onEnd: () => void): void {
  const startMs = performance.now() + STALL_MS;
  let taken = 0;
  stream.on('data', (bytes: Buffer) => {
    taken += bytes.length;
    const aheadMs = taken / BYTES_PER_MS - (performance.now() - startMs);
    if (aheadMs > 1) {
      stream.pause();
      setTimeout(() => stream.resume(), aheadMs);
    }
  });
  stream.on('end', onEnd);
  stream.pause();
  setTimeout(() => stream.resume(), STALL_MS);
}

function downloadSlowly(port: number, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    socket.write('GET /body HTTP/1.1\r\nhost: benchmark\r\nconnection: close\r\n\r\n');
    let received = 0;
    socket.on('data', chunk => {
      received += chunk.length;
    });
    socket.on('error', reject);
    // The head comes on top of the body, so a complete answer is longer than the body.
    paceReading(socket, () =>
      received > bytes ? resolve() : reject(new Error(`the body ended after ${received} bytes`)),
    );
  });
}

function upload(port: number, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': bytes };
    const request = http.request({ port, path: '/body', method: 'POST', agent: false, headers }, response => {
      response.resume();
      response.on('end', () =>
        response.statusCode === 200 ? resolve() : reject(new Error(`answered ${response.statusCode}`)),
      );
    });
    request.on('error', reject);
    sendBody(request, bytes);
  });
}

async function watchGrowth(pid: number, transfer: () => Promise<void>): Promise<number> {
  const before = residentBytes(pid);
  let most = before;
  const timer = setInterval(() => {
    most = Math.max(most, residentBytes(pid));
  }, SAMPLE_MS);
  try {
    await transfer();
  } finally {
    clearInterval(timer);
  }
  return most - before;
}
