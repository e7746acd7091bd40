// Which address counts as the client's, and whether the request is internal or comes over the edge:
// x-forwarded-for and use_remote_address as Envoy's connection manager treats them (ip_detection, xff_num_trusted_hops).

import { networkInterfaces } from 'node:os';
import { HeaderId, type RequestHeaders } from '@dragoman/http';
import { type DetectedAddress, nthFromRight } from './original-ip-detection.ts';
import type { ManagerSettings } from './settings.ts';

/** What is known of the client of one request; reused from request to request. */
export class ClientAddress {
  /** The trusted client address, without port. */
  address = '';
  internal = false;
  edge = false;
  /** Other than 0: a detection extension refuses the request. */
  rejectStatus = 0;
  readonly #detected: DetectedAddress = { address: '', trusted: false, rejectStatus: 0 };

  /** Works out the fields and appends to x-forwarded-for where the settings say so. */
  detect(headers: RequestHeaders, peerAddress: string, settings: ManagerSettings): void {
    this.rejectStatus = 0;
    const present = headers.getId(HeaderId.X_FORWARDED_FOR) !== undefined;
    const forwardedFor = present ? joined(headers) : '';
    if (settings.useRemoteAddress) {
      this.address = nthFromRight(forwardedFor, settings.xffNumTrustedHops) || peerAddress;
      if (!settings.skipXffAppend) appendPeer(headers, forwardedFor, peerAddress);
      this.internal = !present && settings.internalAddresses.has(peerAddress);
      this.edge = !this.internal;
      return;
    }
    this.edge = false;
    if (settings.addressDetectors.length > 0) {
      this.#askDetectors(headers, forwardedFor, peerAddress, settings);
      return;
    }
    const address = nthFromRight(forwardedFor, settings.xffNumTrustedHops + 1);
    this.address = address || peerAddress;
    this.internal =
      address !== '' && !forwardedFor.includes(',') && settings.internalAddresses.has(this.address);
  }

  /** The first extension that finds an address, or refuses the request, decides. */
  #askDetectors(
    headers: RequestHeaders,
    forwardedFor: string,
    peerAddress: string,
    settings: ManagerSettings,
  ): void {
    const detected = this.#detected;
    detected.address = '';
    detected.trusted = false;
    detected.rejectStatus = 0;
    let appends = false;
    for (const detector of settings.addressDetectors) {
      detector.detect(headers, forwardedFor, peerAddress, detected);
      appends ||= !detector.skipXffAppend;
      if (detected.address !== '' || detected.rejectStatus !== 0) break;
    }
    this.address = detected.address || peerAddress;
    this.rejectStatus = detected.rejectStatus;
    this.internal = detected.trusted && settings.internalAddresses.has(this.address);
    if (appends) appendPeer(headers, forwardedFor, peerAddress);
  }
}

function joined(headers: RequestHeaders): string {
  const all = headers.getAll('x-forwarded-for');
  const text = all.length === 1 ? all[0] : all.join(',');
  if (all.length > 1) headers.set('x-forwarded-for', text);
  return text;
}

function appendPeer(headers: RequestHeaders, forwardedFor: string, peerAddress: string): void {
  const appended = isLoopback(peerAddress) ? ownAddress() : peerAddress;
  headers.set('x-forwarded-for', forwardedFor === '' ? appended : `${forwardedFor},${appended}`);
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
