// Where a listener listens, from its configuration.

import { DragomanError } from '@dragoman/base';
import type { Address } from '@dragoman/config';

export interface ListenAddress {
  /** IP literal, or the path of a Unix domain socket ('@' first: abstract). */
  readonly host: string;
  /** 0 lets the system choose; -1 for a Unix domain socket. */
  readonly port: number;
}

export function listenAddress(address: Address | undefined, listenerName: string): ListenAddress {
  if (address?.socketAddress !== undefined)
    return { host: address.socketAddress.address, port: address.socketAddress.portValue ?? 0 };
  if (address?.pipe !== undefined) return { host: address.pipe.path, port: -1 };
  throw new DragomanError(
    'LISTENER_ADDRESS',
    `listener ${listenerName}: address has neither socket_address nor pipe: give one of them`,
  );
}

/** "127.0.0.1:10000", "[::1]:10000" or the path. */
export function listenAddressText({ host, port }: ListenAddress): string {
  if (port < 0) return host;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
