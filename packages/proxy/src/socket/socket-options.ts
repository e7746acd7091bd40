// Options of TCP sockets that a configuration may set: keep-alive probes and the address connections are made from.

import type { BindConfig, TcpKeepalive } from '@dragoman/config';

/** For net.connect and net.createServer. Number and interval of the probes are the system's. */
export interface KeepaliveOptions {
  readonly keepAlive?: boolean;
  readonly keepAliveInitialDelay?: number;
}

/** Linux: tcp_keepalive_time. */
const DEFAULT_TIME_SECONDS = 7200;

export function keepaliveOptions(config: TcpKeepalive | undefined): KeepaliveOptions {
  if (config === undefined) return {};
  return { keepAlive: true, keepAliveInitialDelay: (config.keepaliveTime ?? DEFAULT_TIME_SECONDS) * 1000 };
}

/** Where connections come from, for net.connect. */
export function bindOptions(config: BindConfig | undefined): { localAddress?: string; localPort?: number } {
  const { address = '', portValue = 0 } = config?.sourceAddress ?? {};
  if (address === '') return {};
  return { localAddress: address, ...(portValue === 0 ? {} : { localPort: portValue }) };
}
