// The access log of the admin interface (`admin.access_log`, and the older `access_log_path`). The admin server runs on the
// main thread over its own codec; what it answered is brought into the form that access logs know.

import { type Clock, type Logger, systemClock } from '@dragoman/base';
import type { AccessLog as AccessLogConfig, Admin, FileAccessLog } from '@dragoman/config';
import { RequestHeaders, ResponseHeaders } from '@dragoman/http';
import type { StatLane } from '@dragoman/shm';
import { isLoopback, ownAddress } from '../connection-manager/client-address.ts';
import { StreamInfo } from '../filter-chain/stream-info.ts';
import { type AccessLog, compileAccessLogs } from './access-log.ts';
import { LogFiles } from './log-file.ts';

/** One answer of the admin interface. */
export interface AdminAnswer {
  readonly method: string;
  /** With the query. */
  readonly path: string;
  readonly protocol: string;
  /** [name, value, name, value, ...] as they came. */
  readonly headers: readonly string[];
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly status: number;
  readonly contentType: string;
  readonly bytesReceived: number;
  readonly bytesSent: number;
  readonly durationMs: number;
}

export interface AdminAccessLogOptions {
  readonly lane: StatLane;
  readonly logger: Logger;
  readonly flushIntervalMs: number;
  readonly clock?: Clock;
}

const FILE_LOG = 'envoy.extensions.access_loggers.file.v3.FileAccessLog';

export class AdminAccessLog {
  readonly #files: LogFiles;
  readonly #logs: readonly AccessLog[];
  readonly #clock: Clock;
  readonly #info = new StreamInfo();

  private constructor(configs: readonly AccessLogConfig[], options: AdminAccessLogOptions) {
    this.#files = new LogFiles(options);
    this.#logs = compileAccessLogs(configs, { files: this.#files });
    this.#clock = options.clock ?? systemClock;
  }

  /** Null where nothing is to be logged. @throws as compileAccessLogs. */
  static create(admin: Admin, options: AdminAccessLogOptions): AdminAccessLog | null {
    const configs = [...admin.accessLog];
    if (admin.accessLogPath) {
      const value = { path: admin.accessLogPath, format: '' } as FileAccessLog;
      configs.push({ name: '', typedConfig: { typeName: FILE_LOG, value } } as unknown as AccessLogConfig);
    }
    return configs.length === 0 ? null : new AdminAccessLog(configs, options);
  }

  log(answer: AdminAnswer): void {
    const info = this.#info;
    const nowMs = this.#clock.nowMs();
    info.reset(this.#clock.wallMs() - answer.durationMs, nowMs - answer.durationMs);
    info.endMs = nowMs;
    info.protocol = answer.protocol;
    info.responseCode = answer.status;
    info.responseCodeDetails = 'admin_filter_response';
    info.bytesReceived = answer.bytesReceived;
    info.bytesSent = answer.bytesSent;
    const { remoteAddress, remotePort, localAddress, localPort } = answer;
    info.connection = {
      ...{ remoteAddress, remotePort, localAddress, localPort },
      ...{ id: 0, tls: null, requestedServerName: '' },
    };
    info.downstreamRemoteAddress = remoteAddress;
    info.downstreamRemotePort = remotePort;
    const input = {
      requestHeaders: requestHeadersOf(answer),
      responseHeaders: ResponseHeaders.fromPairs([
        ...[':status', String(answer.status)],
        ...['content-type', answer.contentType],
      ]),
      ...{ responseTrailers: null, info, route: null },
    };
    for (const log of this.#logs) log.log(input);
  }

  reopen(): void {
    this.#files.reopen();
  }

  /** Writes what waits. */
  close(): void {
    this.#files.close();
  }
}

/** As Envoy's admin has them: its connection manager appends the peer to x-forwarded-for. */
function requestHeadersOf({ method, path, headers, remoteAddress }: AdminAnswer): RequestHeaders {
  const request = RequestHeaders.fromPairs([':method', method, ':path', path, ...headers]);
  if (remoteAddress !== '')
    request.add('x-forwarded-for', isLoopback(remoteAddress) ? ownAddress() : remoteAddress);
  return request;
}
