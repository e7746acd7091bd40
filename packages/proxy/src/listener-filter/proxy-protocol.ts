// Reads the header of the PROXY protocol, version 1 (text) and 2 (binary), from the first bytes of a connection. Strict and
// bounded; what follows the header is not looked at. Specification: haproxy.org, proxy-protocol.txt.

import { isIPv4, isIPv6 } from 'node:net';

/** What the header says, or null where it leaves the connection's own addresses standing (LOCAL, UNKNOWN). */
export interface ProxyHeader {
  readonly version: 1 | 2;
  /** Bytes of the header. */
  readonly length: number;
  readonly addresses: ProxiedAddresses | null;
}

export interface ProxiedAddresses {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

export const ProxyHeaderResult = {
  Incomplete: 'incomplete',
  /** The first bytes are no header of either version. */
  Absent: 'absent',
  MalformedV1: 'malformed v1',
  MalformedV2: 'malformed v2',
} as const;
export type ProxyHeaderResult = (typeof ProxyHeaderResult)[keyof typeof ProxyHeaderResult];

const V1_SIGNATURE = Buffer.from('PROXY ', 'latin1');
/** The longest header of version 1, CR LF included. */
const V1_MAX_BYTES = 107;
const V2_SIGNATURE = Buffer.from([0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]);
const V2_HEAD_BYTES = 16;
/** Addresses and TLVs: the format allows 64 KiB, nobody sends as much. */
const V2_MAX_BODY_BYTES = 4096;
const V2_COMMAND_LOCAL = 0x20;
const V2_COMMAND_PROXY = 0x21;
const V2_TCP_OVER_IPV4 = 0x11;
const V2_TCP_OVER_IPV6 = 0x21;
const V2_UNSPECIFIED = 0x00;

/** `bytes` is everything that has come so far. */
export function readProxyHeader(bytes: Buffer): ProxyHeader | ProxyHeaderResult {
  if (bytes.length === 0) return ProxyHeaderResult.Incomplete;
  if (startsLike(bytes, V2_SIGNATURE))
    return bytes.length < V2_HEAD_BYTES ? ProxyHeaderResult.Incomplete : readV2(bytes);
  if (!startsLike(bytes, V1_SIGNATURE)) return ProxyHeaderResult.Absent;
  const end = bytes.indexOf('\r\n');
  if (end >= 0 && end <= V1_MAX_BYTES - 2) return readV1(bytes.toString('latin1', 0, end), end + 2);
  return bytes.length < V1_MAX_BYTES && end < 0
    ? ProxyHeaderResult.Incomplete
    : ProxyHeaderResult.MalformedV1;
}

/** All that has come of the signature is right. */
function startsLike(bytes: Buffer, signature: Buffer): boolean {
  const length = Math.min(bytes.length, signature.length);
  return bytes.compare(signature, 0, length, 0, length) === 0;
}

function readV1(line: string, length: number): ProxyHeader | ProxyHeaderResult {
  const parts = line.split(' ');
  if (parts[1] === 'UNKNOWN') return { version: 1, length, addresses: null };
  const [, family, remoteAddress, localAddress, remotePort, localPort] = parts;
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : null;
  if (parts.length !== 6 || isAddress === null || !isAddress(remoteAddress) || !isAddress(localAddress))
    return ProxyHeaderResult.MalformedV1;
  if (!isPort(remotePort) || !isPort(localPort)) return ProxyHeaderResult.MalformedV1;
  const addresses = {
    remoteAddress,
    remotePort: Number(remotePort),
    localAddress,
    localPort: Number(localPort),
  };
  return { version: 1, length, addresses };
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function readV2(bytes: Buffer): ProxyHeader | ProxyHeaderResult {
  const command = bytes[12];
  const family = bytes[13];
  const bodyBytes = bytes.readUInt16BE(14);
  const length = V2_HEAD_BYTES + bodyBytes;
  if (command !== V2_COMMAND_LOCAL && command !== V2_COMMAND_PROXY) return ProxyHeaderResult.MalformedV2;
  if (bodyBytes > V2_MAX_BODY_BYTES) return ProxyHeaderResult.MalformedV2;
  if (bytes.length < length) return ProxyHeaderResult.Incomplete;
  if (command === V2_COMMAND_LOCAL || family === V2_UNSPECIFIED)
    return { version: 2, length, addresses: null };
  const addressBytes = family === V2_TCP_OVER_IPV4 ? 4 : family === V2_TCP_OVER_IPV6 ? 16 : 0;
  if (addressBytes === 0 || bodyBytes < 2 * addressBytes + 4) return ProxyHeaderResult.MalformedV2;
  const at = V2_HEAD_BYTES;
  const addresses = {
    remoteAddress: addressText(bytes.subarray(at, at + addressBytes)),
    localAddress: addressText(bytes.subarray(at + addressBytes, at + 2 * addressBytes)),
    remotePort: bytes.readUInt16BE(at + 2 * addressBytes),
    localPort: bytes.readUInt16BE(at + 2 * addressBytes + 2),
  };
  if (!tlvsFit(bytes.subarray(at + 2 * addressBytes + 4, length))) return ProxyHeaderResult.MalformedV2;
  return { version: 2, length, addresses };
}

function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(bytes.readUInt16BE(i).toString(16));
  // The URL parser writes IPv6 in its canonical form (RFC 5952).
  return new URL(`http://[${groups.join(':')}]/`).hostname.slice(1, -1);
}

/** Type, length, value, to the end. */
function tlvsFit(bytes: Buffer): boolean {
  let at = 0;
  while (at < bytes.length) {
    if (at + 3 > bytes.length) return false;
    at += 3 + bytes.readUInt16BE(at + 1);
  }
  return at === bytes.length;
}

/** The header to send for a connection, for upstream_proxy_protocol. `addresses` null: LOCAL (or UNKNOWN). */
export function writeProxyHeader(version: 1 | 2, addresses: ProxiedAddresses | null): Buffer {
  return version === 1 ? writeV1(addresses) : writeV2(addresses);
}

function familyOf(addresses: ProxiedAddresses | null): 0 | 4 | 6 {
  if (addresses === null) return 0;
  const { remoteAddress, localAddress } = addresses;
  if (isIPv4(remoteAddress) && isIPv4(localAddress)) return 4;
  return isIPv6(remoteAddress) && isIPv6(localAddress) ? 6 : 0;
}

function writeV1(addresses: ProxiedAddresses | null): Buffer {
  const family = familyOf(addresses);
  if (family === 0) return Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
  const { remoteAddress, localAddress, remotePort, localPort } = addresses!;
  return Buffer.from(
    `PROXY TCP${family} ${remoteAddress} ${localAddress} ${remotePort} ${localPort}\r\n`,
    'latin1',
  );
}

function writeV2(addresses: ProxiedAddresses | null): Buffer {
  const family = familyOf(addresses);
  if (family === 0)
    return Buffer.concat([V2_SIGNATURE, Buffer.from([V2_COMMAND_LOCAL, V2_UNSPECIFIED, 0, 0])]);
  const { remoteAddress, localAddress, remotePort, localPort } = addresses!;
  const body = Buffer.concat([literalBytes(remoteAddress), literalBytes(localAddress), Buffer.alloc(4)]);
  body.writeUInt16BE(remotePort, body.length - 4);
  body.writeUInt16BE(localPort, body.length - 2);
  const head = Buffer.from([
    V2_COMMAND_PROXY,
    family === 4 ? V2_TCP_OVER_IPV4 : V2_TCP_OVER_IPV6,
    0,
    body.length,
  ]);
  return Buffer.concat([V2_SIGNATURE, head, body]);
}

function literalBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  const [head, tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::');
  const groups = (text: string | undefined): string[] =>
    text === undefined || text === '' ? [] : text.split(':');
  const before = groups(head);
  const after = groups(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const out = Buffer.alloc(16);
  for (const [i, group] of [...before, ...zeros, ...after].entries())
    out.writeUInt16BE(Number.parseInt(group, 16), 2 * i);
  return out;
}
