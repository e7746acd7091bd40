// Which address counts as the client's, and whether the request is internal or comes over the edge:
// x-forwarded-for and use_remote_address as Envoy's connection manager treats them (ip_detection, xff_num_trusted_hops).

import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { HeaderId, type RequestHeaders } from '@dragoman/http';
import type { ManagerSettings } from './settings.ts';

/** What is known of the client of one request; reused from request to request. */
export class ClientAddress {
  /** The trusted client address, without port. */
  address = '';
  internal = false;
  edge = false;

  /** Works out the fields and appends to x-forwarded-for where the settings say so. */
  detect(headers: RequestHeaders, peerAddress: string, settings: ManagerSettings): void {
    if (settings.useRemoteAddress) {
      const forwardedFor = headers.getId(HeaderId.X_FORWARDED_FOR) === undefined ? '' : joined(headers);
      this.address = nthFromRight(forwardedFor, settings.xffNumTrustedHops) ?? peerAddress;
      if (!settings.skipXffAppend) {
        const appended = isLoopback(peerAddress) ? ownAddress() : peerAddress;
        headers.set('x-forwarded-for', forwardedFor === '' ? appended : `${forwardedFor},${appended}`);
      }
      this.internal = forwardedFor === '' && settings.internalAddresses.has(peerAddress);
      this.edge = !this.internal;
      return;
    }
    this.edge = false;
    if (headers.getId(HeaderId.X_FORWARDED_FOR) === undefined) {
      this.address = peerAddress;
      this.internal = false;
      return;
    }
    const forwardedFor = joined(headers);
    this.address = nthFromRight(forwardedFor, settings.xffNumTrustedHops + 1) ?? peerAddress;
    this.internal = !forwardedFor.includes(',') && settings.internalAddresses.has(this.address);
  }
}

function joined(headers: RequestHeaders): string {
  const all = headers.getAll('x-forwarded-for');
  const text = all.length === 1 ? all[0] : all.join(',');
  if (all.length > 1) headers.set('x-forwarded-for', text);
  return text;
}

/** The n-th entry from the right (1 = last) when it is an address; n = 0 or too few entries: undefined. */
function nthFromRight(list: string, n: number): string | undefined {
  if (n <= 0 || list === '') return undefined;
  const entries = list.split(',');
  const entry = entries[entries.length - n]?.trim();
  return entry !== undefined && isIP(entry) !== 0 ? entry : undefined;
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address.startsWith('::ffff:127.');
}

let own: string | null = null;

/** This machine's own address, which Envoy writes in place of a loopback peer's. */
export function ownAddress(): string {
  if (own !== null) return own;
  own = '127.0.0.1';
  for (const addresses of Object.values(networkInterfaces()))
    for (const { family, internal, address } of addresses ?? [])
      if (family === 'IPv4' && !internal) {
        own = address;
        return own;
      }
  return own;
}
