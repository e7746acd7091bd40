// The settings of one HTTP connection manager in the form the hot path reads them: plain fields with Envoy's
// defaults filled in. Compiled once per worker and configuration from the decoded protobuf message.

import type {
  EarlyHeaderMutationHeaderMutationHeaderMutation as EarlyMutation,
  HttpConnectionManager,
} from '@dragoman/config';
import { compileMutationList, type MutationList } from '../route/mutation-list.ts';
import { CaseSettings } from '../socket/case-settings.ts';
import { ClientCertForwarding } from '../tls/forwarded-client-cert.ts';
import { CidrSet } from './cidr-set.ts';
import { type AddressDetector, compileDetectors } from './original-ip-detection.ts';

/** Envoy's defaults, with the proto's field names. */
export const DEFAULTS = {
  maxRequestHeadersKb: 60,
  maxHeadersCount: 100,
  streamIdleTimeoutMs: 300_000,
  idleTimeoutMs: 3_600_000,
  delayedCloseTimeoutMs: 1_000,
  drainTimeoutMs: 5_000,
  perConnectionBufferLimitBytes: 1_048_576,
} as const;

export type ServerHeader = 'OVERWRITE' | 'APPEND_IF_ABSENT' | 'PASS_THROUGH';
export type EscapedSlashes =
  | 'KEEP_UNCHANGED'
  | 'REJECT_REQUEST'
  | 'UNESCAPE_AND_REDIRECT'
  | 'UNESCAPE_AND_FORWARD';
export type Underscores = 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER';

function compileEarlyMutations(config: HttpConnectionManager): MutationList[] {
  const lists = config.earlyHeaderMutationExtensions.map(({ typedConfig }) =>
    compileMutationList((typedConfig!.value as EarlyMutation).mutations),
  );
  return lists.filter(list => list !== null);
}

export class ManagerSettings {
  readonly statPrefix: string;
  readonly codecType: string;
  readonly serverName: string;
  /** The ready-made response line for `serverName`. */
  readonly serverLine: string;
  readonly serverHeader: ServerHeader;
  readonly schemeToOverwrite: string;
  readonly via: string;
  readonly maxRequestHeadersBytes: number;
  readonly maxHeadersCount: number;
  readonly underscores: Underscores;
  readonly idleTimeoutMs: number;
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly requestHeadersTimeoutMs: number;
  readonly maxConnectionDurationMs: number;
  /** An HTTP/1 connection over its duration waits for its next response instead of the drain timeout. */
  readonly http1SafeMaxConnectionDuration: boolean;
  readonly maxStreamDurationMs: number;
  readonly maxRequestsPerConnection: number;
  readonly delayedCloseTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly clientCert: ClientCertForwarding;
  readonly useRemoteAddress: boolean;
  readonly skipXffAppend: boolean;
  readonly xffNumTrustedHops: number;
  readonly internalAddresses: CidrSet;
  readonly addressDetectors: readonly AddressDetector[];
  readonly appendXForwardedPort: boolean;
  readonly addUserAgent: boolean;
  /** early_header_mutation_extensions: before routing. */
  readonly earlyMutations: readonly MutationList[];
  /** Of requests that are refused because of overload. */
  readonly overloadHeaders: readonly [string, string][] | null;
  readonly generateRequestId: boolean;
  readonly preserveExternalRequestId: boolean;
  readonly alwaysSetRequestIdInResponse: boolean;
  readonly proxy100Continue: boolean;
  readonly acceptHttp10: boolean;
  readonly defaultHostForHttp10: string;
  readonly allowAbsoluteUrl: boolean;
  readonly enableTrailers: boolean;
  readonly headerCase: CaseSettings;
  readonly allowCustomMethods: boolean;
  readonly allowChunkedLength: boolean;
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  readonly escapedSlashes: EscapedSlashes;
  readonly stripMatchingHostPort: boolean;
  readonly stripAnyHostPort: boolean;
  readonly stripTrailingHostDot: boolean;
  readonly streamErrorOnInvalidHttpMessage: boolean;
  /** Lower-case upgrade types that are enabled on this manager ("websocket"). */
  readonly upgradeTypes: ReadonlyMap<string, boolean>;

  constructor(config: HttpConnectionManager) {
    const common = config.commonHttpProtocolOptions;
    const http1 = config.httpProtocolOptions;
    this.statPrefix = config.statPrefix;
    this.codecType = config.codecType;
    this.serverName = config.serverName === '' ? 'envoy' : config.serverName;
    this.serverLine = `server: ${this.serverName}\r\n`;
    this.serverHeader = config.serverHeaderTransformation as ServerHeader;
    this.schemeToOverwrite = config.schemeHeaderTransformation?.schemeToOverwrite ?? '';
    this.via = config.via;
    this.maxRequestHeadersBytes = (config.maxRequestHeadersKb ?? DEFAULTS.maxRequestHeadersKb) * 1024;
    this.maxHeadersCount = common?.maxHeadersCount ?? DEFAULTS.maxHeadersCount;
    this.underscores = (common?.headersWithUnderscoresAction ?? 'ALLOW') as Underscores;
    this.idleTimeoutMs = common?.idleTimeout ?? DEFAULTS.idleTimeoutMs;
    this.streamIdleTimeoutMs = config.streamIdleTimeout ?? DEFAULTS.streamIdleTimeoutMs;
    this.requestTimeoutMs = config.requestTimeout ?? 0;
    this.requestHeadersTimeoutMs = config.requestHeadersTimeout ?? 0;
    this.maxConnectionDurationMs = common?.maxConnectionDuration ?? 0;
    this.http1SafeMaxConnectionDuration = config.http1SafeMaxConnectionDuration;
    this.maxStreamDurationMs = common?.maxStreamDuration ?? 0;
    this.maxRequestsPerConnection = common?.maxRequestsPerConnection ?? 0;
    this.delayedCloseTimeoutMs = config.delayedCloseTimeout ?? DEFAULTS.delayedCloseTimeoutMs;
    this.drainTimeoutMs = config.drainTimeout ?? DEFAULTS.drainTimeoutMs;
    this.clientCert = new ClientCertForwarding(config);
    this.useRemoteAddress = config.useRemoteAddress ?? false;
    this.skipXffAppend = config.skipXffAppend;
    this.xffNumTrustedHops = config.xffNumTrustedHops;
    this.internalAddresses = new CidrSet(config.internalAddressConfig?.cidrRanges ?? []);
    this.addressDetectors = compileDetectors(config.originalIpDetectionExtensions);
    this.appendXForwardedPort = config.appendXForwardedPort;
    this.overloadHeaders = config.appendLocalOverload ? [['x-envoy-local-overloaded', 'true']] : null;
    this.earlyMutations = compileEarlyMutations(config);
    this.addUserAgent = config.addUserAgent ?? false;
    this.generateRequestId = config.generateRequestId ?? true;
    this.preserveExternalRequestId = config.preserveExternalRequestId;
    this.alwaysSetRequestIdInResponse = config.alwaysSetRequestIdInResponse;
    this.proxy100Continue = config.proxy100Continue;
    this.acceptHttp10 = http1?.acceptHttp10 ?? false;
    this.defaultHostForHttp10 = http1?.defaultHostForHttp10 ?? '';
    this.allowAbsoluteUrl = http1?.allowAbsoluteUrl ?? true;
    this.headerCase = new CaseSettings(http1);
    this.enableTrailers = http1?.enableTrailers ?? false;
    this.allowCustomMethods = http1?.allowCustomMethods ?? false;
    this.allowChunkedLength = http1?.allowChunkedLength ?? false;
    this.normalizePath = config.normalizePath ?? false;
    this.mergeSlashes = config.mergeSlashes;
    const escaped = config.pathWithEscapedSlashesAction as string;
    this.escapedSlashes = (
      escaped === 'IMPLEMENTATION_SPECIFIC_DEFAULT' ? 'KEEP_UNCHANGED' : escaped
    ) as EscapedSlashes;
    this.stripMatchingHostPort = config.stripMatchingHostPort;
    this.stripAnyHostPort = config.stripAnyHostPort ?? false;
    this.stripTrailingHostDot = config.stripTrailingHostDot;
    this.streamErrorOnInvalidHttpMessage = config.streamErrorOnInvalidHttpMessage ?? false;
    this.upgradeTypes = new Map(
      config.upgradeConfigs.map(upgrade => [upgrade.upgradeType.toLowerCase(), upgrade.enabled ?? true]),
    );
  }
}
