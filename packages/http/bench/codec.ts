// Price of the HTTP/1 codec per message: heads parsed, looked into, edited and written, beside the obvious way with
// split and Map (which is not strict). Run: node packages/http/bench/codec.ts

import {
  ChunkedDecoder,
  HeaderId,
  parseRequest,
  parseResponse,
  RequestHead,
  ResponseHead,
  requestParserOptions,
  responseParserOptions,
} from '../src/index.ts';

const ROUNDS = 100_000;
const REPEATS = 9;

const REQUEST_TEXT =
  'GET /api/v1/users?id=42&verbose=true HTTP/1.1\r\nHost: example.com\r\nUser-Agent: curl/8.5.0\r\n' +
  'Accept: application/json\r\nAccept-Encoding: gzip, br\r\nAuthorization: Bearer 0123456789abcdef\r\n' +
  'X-Trace: 4bf92f3577b34da6a3ce929d0e0e4736\r\nContent-Length: 0\r\n\r\n';
const RESPONSE_TEXT =
  'HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 21 Nov 2026 06:00:00 GMT\r\nContent-Type: text/plain\r\n' +
  'Content-Length: 64\r\nConnection: keep-alive\r\n\r\n';
const BODY_TEXT = `${'400\r\n'.padEnd(5 + 1024, 'x')}\r\n`.repeat(8);

const source = Buffer.from(REQUEST_TEXT, 'latin1');
const requestBytes = Buffer.alloc(source.length);
const responseSource = Buffer.from(RESPONSE_TEXT, 'latin1');
const responseBytes = Buffer.alloc(responseSource.length);
const body = Buffer.from(`${BODY_TEXT}0\r\n\r\n`, 'latin1');

const head = new RequestHead();
const responseHead = new ResponseHead();
const options = requestParserOptions();
const responseOptions = responseParserOptions();
const decoder = new ChunkedDecoder();
let written = 0;
const sink = {
  onChunkData(_buffer: Buffer, start: number, end: number): void {
    written += end - start;
  },
};

/** A fresh head: names come in upper case again, as they do off a socket. */
function parseOne(): void {
  source.copy(requestBytes);
  if (parseRequest(head, requestBytes, 0, requestBytes.length, options) <= 0) throw new Error('not parsed');
}

/** What flattens a string of parts; the price of the write's copy without the write. */
const out = Buffer.alloc(64 * 1024);
function write(text: string): void {
  written += out.latin1Write(text, 0, text.length);
}

interface NaiveRequest {
  start: string;
  headers: Map<string, string>;
}

/** The rival: decode, split, trim, lower-case, Map. Accepts nearly anything. */
function parseNaively(): NaiveRequest {
  source.copy(requestBytes);
  const [start, ...lines] = requestBytes.toString('latin1').split('\r\n');
  const headers = new Map<string, string>();
  for (const line of lines) {
    if (line === '') break;
    const colon = line.indexOf(':');
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { start, headers };
}

function writeNaively({ start, headers }: NaiveRequest): void {
  let text = `${start}\r\n`;
  for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
  write(`${text}\r\n`);
}

const candidates: Record<string, () => void> = {
  'copy of 250 bytes (part of each row)': () => void source.copy(requestBytes),
  'parse request': parseOne,
  'parse + write request': () => {
    parseOne();
    write(`${head.headers.requestLine()}${head.headers.serialize()}\r\n`);
  },
  'parse + 2 looked up, 2 added, 1 removed + write': () => {
    parseOne();
    const { headers } = head;
    if (headers.getId(HeaderId.AUTHORIZATION) === undefined || headers.has('x-missing'))
      throw new Error('lookup');
    headers.removeId(HeaderId.ACCEPT);
    headers.addLine('x-forwarded-proto: http\r\n', 'x-forwarded-proto', 'http');
    headers.add('x-team', 'red');
    write(`${headers.requestLine()}${headers.serialize()}\r\n`);
  },
  'rival: parse request': () => void parseNaively(),
  'rival: parse + write request': () => writeNaively(parseNaively()),
  'parse response': () => {
    responseSource.copy(responseBytes);
    parseResponse(responseHead, responseBytes, 0, responseBytes.length, responseOptions);
  },
  'decode a chunked body of 8 x 1 KiB': () => {
    decoder.reset();
    decoder.feed(body, 0, body.length, sink);
  },
};

console.log(`request ${source.length} bytes, response ${responseSource.length} bytes`);
for (const [name, run] of Object.entries(candidates)) {
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const start = process.cpuUsage();
    for (let round = 0; round < ROUNDS; round++) run();
    const { user } = process.cpuUsage(start);
    best = Math.min(best, (user * 1000) / ROUNDS);
  }
  console.log(`${name.padEnd(50)} ${best.toFixed(0).padStart(6)} ns`);
}
if (written === 0) throw new Error('nothing was written');
