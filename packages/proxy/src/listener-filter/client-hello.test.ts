import assert from 'node:assert/strict';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import fc from 'fast-check';
import { type ClientHello, HelloResult, readClientHello } from './client-hello.ts';

/** The first bytes a TLS client of Node sends. */
function recordHello(options: { servername?: string; ALPNProtocols?: string[] }): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const server = createServer(socket => {
      socket.once('data', bytes => {
        socket.destroy();
        server.close();
        resolve(bytes as Buffer);
      });
    });
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      const socket = connect(port, '127.0.0.1');
      connectTls({ socket, ...options }).on('error', () => {});
      socket.on('error', reject);
    });
  });
}

const asHello = (result: ClientHello | HelloResult): ClientHello => {
  assert.equal(typeof result, 'object', `got ${String(result)}`);
  return result as ClientHello;
};

test('server name and protocols of a real client', async () => {
  const bytes = await recordHello({ servername: 'Proxy.Test', ALPNProtocols: ['h2', 'http/1.1'] });
  assert.deepEqual(readClientHello(bytes), {
    serverName: 'proxy.test',
    applicationProtocols: ['h2', 'http/1.1'],
  });
});

test('neither name nor protocols', async () => {
  const bytes = await recordHello({});
  assert.deepEqual(readClientHello(bytes), { serverName: '', applicationProtocols: [] });
});

test('every prefix is incomplete, and so is the message in records of one byte until its end', async () => {
  const bytes = await recordHello({ servername: 'a.test' });
  for (let length = 0; length < bytes.length; length++)
    assert.equal(readClientHello(bytes.subarray(0, length)), HelloResult.Incomplete, `at ${length}`);
  const records: Buffer[] = [];
  for (const byte of bytes.subarray(5)) records.push(Buffer.from([22, 3, 1, 0, 1, byte]));
  const split = Buffer.concat(records);
  assert.equal(asHello(readClientHello(split, 64 * 1024)).serverName, 'a.test');
  assert.equal(readClientHello(split.subarray(0, -1), 64 * 1024), HelloResult.Incomplete);
});

test('other protocols are told apart by their first bytes', () => {
  assert.equal(readClientHello(Buffer.from('GET / HTTP/1.1\r\n')), HelloResult.NotTls);
  assert.equal(readClientHello(Buffer.from([22, 1])), HelloResult.NotTls);
  assert.equal(readClientHello(Buffer.alloc(0)), HelloResult.Incomplete);
});

test('a hello that claims to be huge is refused without waiting for it', () => {
  const claim = Buffer.from([22, 3, 1, 0x10, 0, 1, 0x01, 0, 0]);
  assert.equal(readClientHello(claim), HelloResult.TooLarge);
});

test('lengths that leave their vector are malformed, and no bytes make the reader throw', async () => {
  const bytes = await recordHello({ servername: 'a.test', ALPNProtocols: ['h2'] });
  const broken = Buffer.from(bytes);
  broken[5 + 4 + 2 + 32] = 0xff; // the session id is longer than the message
  broken.writeUInt16BE(40, 3); // one record of 40 bytes ...
  broken.writeUIntBE(36, 6, 3); // ... that is all of the message
  assert.equal(readClientHello(broken.subarray(0, 45)), HelloResult.Malformed);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
      changes => {
        const mutated = Buffer.from(bytes);
        for (const [at, value] of changes) mutated[at] = value;
        const result = readClientHello(mutated);
        assert.ok(typeof result === 'string' || typeof result.serverName === 'string');
      },
    ),
  );
});
