import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ProxyHeader, ProxyHeaderResult, readProxyHeader, writeProxyHeader } from './proxy-protocol.ts';

const ipv4 = {
  remoteAddress: '192.0.2.1',
  localAddress: '198.51.100.2',
  remotePort: 40_000,
  localPort: 443,
};
const ipv6 = { remoteAddress: '2001:db8::1', localAddress: '::1', remotePort: 1, localPort: 65_535 };

test('what is written is read again, followed by other bytes', () => {
  for (const version of [1, 2] as const)
    for (const addresses of [ipv4, ipv6, null]) {
      const header = writeProxyHeader(version, addresses);
      const read = readProxyHeader(Buffer.concat([header, Buffer.from('GET /')]));
      assert.deepEqual(read, { version, length: header.length, addresses });
    }
});

test('mixed families cannot be told: UNKNOWN', () => {
  const mixed = { ...ipv4, remoteAddress: '2001:db8::1' };
  assert.equal(writeProxyHeader(1, mixed).toString(), 'PROXY UNKNOWN\r\n');
});

test('every prefix of a header is incomplete', () => {
  for (const version of [1, 2] as const) {
    const header = writeProxyHeader(version, ipv4);
    for (let length = 0; length < header.length; length++)
      assert.equal(readProxyHeader(header.subarray(0, length)), ProxyHeaderResult.Incomplete);
  }
});

test('text that is not quite version 1 is malformed', () => {
  for (const line of [
    'PROXY TCP4 192.0.2.1 198.51.100.2 40000\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 40000 443 \r\n',
    'PROXY TCP4 192.0.2.1  198.51.100.2 40000 443\r\n',
    'PROXY TCP6 192.0.2.1 198.51.100.2 40000 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 040000 443\r\n',
    'PROXY TCP4 192.0.2.1 198.51.100.2 70000 443\r\n',
    'PROXY TCP4 192.0.2.256 198.51.100.2 1 443\r\n',
    'PROXY UDP4 192.0.2.1 198.51.100.2 1 443\r\n',
    `PROXY TCP4 ${'1'.repeat(120)}`,
  ])
    assert.equal(readProxyHeader(Buffer.from(line)), ProxyHeaderResult.MalformedV1, line);
  assert.equal(readProxyHeader(Buffer.from('GET / HTTP/1.1\r\n')), ProxyHeaderResult.Absent);
});

test('version 2: commands, families, lengths and TLVs are checked', () => {
  const header = writeProxyHeader(2, ipv4);
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(header);
    copy[at] = value;
    return copy;
  };
  assert.equal(readProxyHeader(changed(12, 0x22)), ProxyHeaderResult.MalformedV2);
  assert.equal(readProxyHeader(changed(12, 0x11)), ProxyHeaderResult.MalformedV2);
  assert.equal(readProxyHeader(changed(13, 0x31)), ProxyHeaderResult.MalformedV2);
  assert.equal(readProxyHeader(changed(15, 11)), ProxyHeaderResult.MalformedV2);
  assert.equal(readProxyHeader(changed(14, 0xff)), ProxyHeaderResult.MalformedV2);
  assert.equal((readProxyHeader(changed(12, 0x20)) as ProxyHeader).addresses, null);
  const withTlv = (tlv: number[]): Buffer => {
    const copy = Buffer.concat([header, Buffer.from(tlv)]);
    copy.writeUInt16BE(12 + tlv.length, 14);
    return copy;
  };
  assert.equal((readProxyHeader(withTlv([4, 0, 1, 9])) as ProxyHeader).length, header.length + 4);
  assert.equal(readProxyHeader(withTlv([4, 0, 2, 9])), ProxyHeaderResult.MalformedV2);
});

test('no bytes make the reader throw', () => {
  const header = writeProxyHeader(2, ipv6);
  fc.assert(
    fc.property(fc.nat(header.length - 1), fc.nat(255), fc.nat(header.length), (at, value, length) => {
      const copy = Buffer.from(header);
      copy[at] = value;
      readProxyHeader(copy.subarray(0, length));
    }),
  );
});
