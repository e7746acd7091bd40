// The extensions that find a request's original client address in place of the default rule: in x-forwarded-for
// (`xff`), or in a header of another proxy (`custom_header`). Compiled once per connection manager and worker.

import { isIP } from 'node:net';
import type { CustomHeaderConfig, TypedExtensionConfig, XffConfig } from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';
import { statusCodeNumber } from '../format/status-code.ts';
import { CidrSet } from './cidr-set.ts';

/** What a detector is asked for, and where it answers. */
export interface DetectedAddress {
  /** '': none found. */
  address: string;
  /** The address may make the request an internal one. */
  trusted: boolean;
  /** Other than 0: the request is to be refused with this status. */
  rejectStatus: number;
}

export interface AddressDetector {
  /** Whether the peer's address is to be appended to x-forwarded-for whatever was found. */
  readonly skipXffAppend: boolean;
  detect(headers: RequestHeaders, forwardedFor: string, peerAddress: string, into: DetectedAddress): void;
}

export function compileDetectors(extensions: readonly TypedExtensionConfig[]): readonly AddressDetector[] {
  return extensions.map(({ typedConfig }) =>
    typedConfig!.typeName.endsWith('.XffConfig')
      ? new XffDetector(typedConfig!.value as XffConfig)
      : new HeaderDetector(typedConfig!.value as CustomHeaderConfig),
  );
}

/** The n-th entry from the right (1 = last) when it is an address; n = 0 or too few entries: ''. */
export function nthFromRight(list: string, n: number): string {
  if (n <= 0 || list === '') return '';
  const entries = list.split(',');
  const entry = entries[entries.length - n]?.trim() ?? '';
  return isIP(entry) !== 0 ? entry : '';
}

class XffDetector implements AddressDetector {
  readonly skipXffAppend: boolean;
  readonly #hops: number;
  readonly #trusted: CidrSet | null;

  constructor(config: XffConfig) {
    this.skipXffAppend = config.skipXffAppend ?? true;
    this.#hops = config.xffNumTrustedHops;
    this.#trusted = config.xffTrustedCidrs === undefined ? null : new CidrSet(config.xffTrustedCidrs.cidrs);
  }

  detect(_headers: RequestHeaders, forwardedFor: string, peerAddress: string, into: DetectedAddress): void {
    if (this.#trusted === null) {
      into.address = nthFromRight(forwardedFor, this.#hops + 1);
      into.trusted = into.address !== '' && !forwardedFor.includes(',');
    } else if (this.#trusted.has(peerAddress)) {
      into.address = this.#firstUntrusted(forwardedFor, this.#trusted);
      into.trusted = into.address !== '' && !forwardedFor.includes(',');
    }
  }

  /** From the right, the first address that is none of the trusted proxies; the leftmost when all are. */
  #firstUntrusted(forwardedFor: string, trusted: CidrSet): string {
    const entries = forwardedFor.split(',');
    let address = '';
    for (let i = entries.length - 1; i >= 0; i--) {
      const entry = entries[i].trim();
      if (isIP(entry) === 0) return '';
      address = entry;
      if (!trusted.has(entry)) break;
    }
    return address;
  }
}

class HeaderDetector implements AddressDetector {
  readonly skipXffAppend = true;
  readonly #name: string;
  readonly #trusted: boolean;
  readonly #rejectStatus: number;

  constructor(config: CustomHeaderConfig) {
    this.#name = config.headerName.toLowerCase();
    this.#trusted = config.allowExtensionToSetAddressAsTrusted;
    // A status that is no error is no reason to refuse: Envoy falls back to 403.
    const status = config.rejectWithStatus === undefined ? 0 : statusCodeNumber(config.rejectWithStatus.code);
    this.#rejectStatus = status === 0 ? 0 : status >= 400 ? status : 403;
  }

  detect(headers: RequestHeaders, _forwardedFor: string, _peer: string, into: DetectedAddress): void {
    const value = headers.get(this.#name);
    if (value !== undefined && isIP(value) !== 0) {
      into.address = value;
      into.trusted = this.#trusted;
    } else {
      into.rejectStatus = this.#rejectStatus;
    }
  }
}
