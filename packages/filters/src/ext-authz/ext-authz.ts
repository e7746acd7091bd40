// The filter envoy.filters.http.ext_authz: asks an outside service whether a request may go on, and applies its answer.
// How the service is asked: http-service.ts and grpc-service.ts.

import type { BufferSettings, CheckSettings, ExtAuthz, ExtAuthzPerRoute } from '@dragoman/config';
import type { HeaderMap, RequestHeaders, ResponseHeaders } from '@dragoman/http';
import {
  type DataFrame,
  DataStatus,
  type FilterContext,
  HeadersStatus,
  type HttpFilter,
  type HttpFilterInstance,
  type HttpFilterType,
  MetadataMatcher,
  ResponseFlag,
  type Runtime,
  RuntimeFraction,
  type Stream,
  TrailersStatus,
} from '@dragoman/proxy';
import { AuthzStats } from './authz-stats.ts';
import type { AuthorizationService, RunningCheck } from './check.ts';
import { GrpcAuthorizationService, statusNumber } from './grpc-service.ts';
import { HttpAuthorizationService } from './http-service.ts';
import { changedQuery } from './query-changes.ts';
import { applyHeader, Decision, type HeaderChange, type Verdict, verdict } from './verdict.ts';

const NAMESPACE = 'envoy.filters.http.ext_authz';
const FAILURE_ALLOWED = 'x-envoy-auth-failure-mode-allowed';
const NO_RUNTIME: Runtime = { get: () => undefined };
const EMPTY = Buffer.alloc(0);

/** Per-route configuration. */
interface RouteSettings {
  readonly disabled: boolean;
  readonly check: CheckSettings | undefined;
}

function serviceFor(config: ExtAuthz, context: FilterContext): AuthorizationService | null {
  const { httpService, grpcService } = config;
  if (httpService !== undefined) return new HttpAuthorizationService(httpService, config, context);
  return grpcService === undefined ? null : new GrpcAuthorizationService(grpcService, config, context);
}

class ExtAuthzEntry implements HttpFilterInstance {
  readonly config: ExtAuthz;
  readonly context: FilterContext;
  readonly stats: AuthzStats;
  readonly service: AuthorizationService | null;
  readonly errorStatus: number;
  readonly #enabled: RuntimeFraction | null;
  readonly #enabledMetadata: MetadataMatcher | null;

  constructor(config: ExtAuthz, context: FilterContext) {
    const { filterEnabled, filterEnabledMetadata } = config;
    this.config = config;
    this.context = context;
    this.stats = new AuthzStats(context, config.statPrefix);
    this.service = serviceFor(config, context);
    this.errorStatus = statusNumber(config.statusOnError?.code) || 403;
    this.#enabled =
      filterEnabled === undefined
        ? null
        : new RuntimeFraction(filterEnabled.defaultValue, filterEnabled.runtimeKey, NO_RUNTIME);
    this.#enabledMetadata =
      filterEnabledMetadata === undefined ? null : new MetadataMatcher(filterEnabledMetadata);
  }

  createFilter(): HttpFilter {
    return new ExtAuthzFilter(this);
  }

  enabled(stream: Stream): boolean {
    if (this.#enabled !== null && !this.#enabled.includes(stream.info.random, stream.worker.runtime))
      return false;
    return this.#enabledMetadata === null || this.#enabledMetadata.matches(stream.info.dynamicMetadata);
  }

  deniesWhenDisabled(stream: Stream): boolean {
    const { denyAtDisable } = this.config;
    if (denyAtDisable === undefined) return false;
    const override = stream.worker.runtime.get(denyAtDisable.runtimeKey);
    return override === undefined ? denyAtDisable.defaultValue === true : String(override) === 'true';
  }
}

const State = { Idle: 0, Buffering: 1, Asking: 2, Done: 3 } as const;

class ExtAuthzFilter implements HttpFilter {
  readonly #entry: ExtAuthzEntry;
  #state: number = State.Idle;
  #bodySettings: BufferSettings | undefined;
  #contextExtensions: Readonly<Record<string, string>> = {};
  #check: RunningCheck | null = null;
  #cluster = '';
  #responseHeaders: readonly HeaderChange[] = [];

  constructor(entry: ExtAuthzEntry) {
    this.#entry = entry;
  }

  decodeHeaders(stream: Stream, headers: RequestHeaders, endStream: boolean): HeadersStatus {
    const entry = this.#entry;
    const route = stream.getRoute();
    if (route === null) return HeadersStatus.Continue;
    const ofRoute = stream.routeConfig(entry.context.filterName) as RouteSettings | undefined;
    if (ofRoute?.disabled === true) return HeadersStatus.Continue;
    if (!entry.enabled(stream)) return this.#onDisabled(stream);
    this.#cluster = route.clusterFor(headers);
    this.#contextExtensions = this.#extensions(stream);
    this.#bodySettings = ofRoute?.check?.withRequestBody ?? entry.config.withRequestBody;
    const skipsBody = ofRoute?.check?.disableRequestBodyBuffering === true || endStream;
    if (this.#bodySettings !== undefined && !skipsBody && !headers.has('upgrade')) {
      this.#state = State.Buffering;
      const { allowPartialMessage, maxRequestBytes } = this.#bodySettings;
      if (!allowPartialMessage) stream.decode.limitBytes = maxRequestBytes;
      return HeadersStatus.StopIteration;
    }
    return this.#ask(stream, null, false)
      ? HeadersStatus.Continue
      : HeadersStatus.StopAllIterationAndWatermark;
  }

  decodeData(stream: Stream, data: DataFrame, endStream: boolean): DataStatus {
    if (this.#state === State.Asking) return DataStatus.StopIterationAndWatermark;
    if (this.#state !== State.Buffering) return DataStatus.Continue;
    const { allowPartialMessage, maxRequestBytes } = this.#bodySettings!;
    const held = stream.decodingBuffer?.toBuffer() ?? EMPTY;
    const length = held.length + data.bytes.length;
    if (!endStream && !(allowPartialMessage && length >= maxRequestBytes))
      return DataStatus.StopIterationAndBuffer;
    // More than the limit without allow_partial_message: what is buffered now ends in 413.
    if (!allowPartialMessage && length > maxRequestBytes) return DataStatus.StopIterationAndBuffer;
    const shown = Buffer.concat([held, data.bytes]).subarray(0, maxRequestBytes);
    return this.#ask(stream, shown, shown.length < length)
      ? DataStatus.Continue
      : DataStatus.StopIterationAndWatermark;
  }

  decodeTrailers(stream: Stream, _trailers: HeaderMap): TrailersStatus {
    if (this.#state === State.Asking) return TrailersStatus.StopIteration;
    if (this.#state !== State.Buffering) return TrailersStatus.Continue;
    const held = Buffer.from(stream.decodingBuffer?.toBuffer() ?? EMPTY);
    const shown = held.subarray(0, this.#bodySettings!.maxRequestBytes);
    return this.#ask(stream, shown, shown.length < held.length)
      ? TrailersStatus.Continue
      : TrailersStatus.StopIteration;
  }

  encodeHeaders(_stream: Stream, headers: ResponseHeaders): HeadersStatus {
    for (const change of this.#responseHeaders) applyHeader(headers, change);
    return HeadersStatus.Continue;
  }

  onDestroy(): void {
    if (this.#state === State.Asking) this.#check?.cancel();
    this.#state = State.Done;
  }

  #onDisabled(stream: Stream): HeadersStatus {
    const entry = this.#entry;
    entry.stats.count('disabled', '');
    if (!entry.deniesWhenDisabled(stream)) return HeadersStatus.Continue;
    this.#refuse(stream, entry.errorStatus, EMPTY, 'ext_authz_error', null);
    return HeadersStatus.StopIteration;
  }

  /** Those of all levels; the more specific one wins. */
  #extensions(stream: Stream): Readonly<Record<string, string>> {
    const all = stream.routeConfigs(this.#entry.context.filterName) as readonly RouteSettings[];
    return Object.assign({}, ...all.map(settings => settings.check?.contextExtensions));
  }

  /** True when the request goes on already: the service cannot be asked, and that is fine. */
  #ask(stream: Stream, body: Buffer | null, partial: boolean): boolean {
    this.#state = State.Asking;
    const check = { stream, body, partial, contextExtensions: this.#contextExtensions };
    this.#check =
      this.#entry.service?.check(check, answer => {
        if (this.#apply(stream, answer)) stream.continueDecoding(this);
      }) ?? null;
    return this.#check === null && this.#apply(stream, verdict(Decision.Error));
  }

  /** False: the client has been answered. */
  #apply(stream: Stream, answer: Verdict): boolean {
    this.#state = State.Done;
    this.#storeMetadata(stream, answer);
    switch (answer.decision) {
      case Decision.Ok:
        return this.#allow(stream, answer);
      case Decision.Denied:
        this.#deny(stream, answer);
        return false;
      default:
        return this.#onError(stream);
    }
  }

  #storeMetadata(stream: Stream, { dynamicMetadata }: Verdict): void {
    if (this.#entry.config.enableDynamicMetadataIngestion === false) return;
    for (const [key, value] of Object.entries(dynamicMetadata))
      stream.info.setDynamicMetadata(NAMESPACE, key, value);
  }

  #allow(stream: Stream, answer: Verdict): boolean {
    const { config, stats } = this.#entry;
    const headers = stream.requestHeaders!;
    const { requestHeaders, requestHeadersToRemove, queryParametersToSet, queryParametersToRemove } = answer;
    let valid = true;
    for (const change of requestHeaders) valid = applyHeader(headers, change) && valid;
    if (!valid && config.validateMutations) {
      stats.count('invalid', this.#cluster);
      this.#refuse(stream, 500, EMPTY, 'ext_authz_invalid', null);
      return false;
    }
    for (const name of requestHeadersToRemove)
      if (!name.startsWith(':') && name !== 'host') headers.remove(name);
    headers.path = changedQuery(headers.path, queryParametersToSet, queryParametersToRemove);
    const changed = [requestHeaders, requestHeadersToRemove, queryParametersToSet, queryParametersToRemove];
    if (config.clearRouteCache && changed.some(list => list.length > 0)) stream.clearRouteCache();
    this.#responseHeaders = answer.responseHeaders;
    stats.count('ok', this.#cluster);
    return true;
  }

  #deny(stream: Stream, answer: Verdict): void {
    const { config, stats, context } = this.#entry;
    stats.count('denied', this.#cluster);
    if (config.chargeClusterResponseStats !== false)
      context.clusters.get(this.#cluster)?.responses.chargeResponse(answer.status, true, false);
    const headers = answer.answerHeaders.map(({ name, value }): [string, string] => [name, value]);
    this.#refuse(stream, answer.status, answer.body, 'ext_authz_denied', headers);
  }

  #onError(stream: Stream): boolean {
    const { config, stats, errorStatus } = this.#entry;
    stats.count('error', this.#cluster);
    if (!config.failureModeAllow) {
      this.#refuse(stream, errorStatus, EMPTY, 'ext_authz_error', null);
      return false;
    }
    stats.count('failure_mode_allowed', this.#cluster);
    if (config.failureModeAllowHeaderAdd) stream.requestHeaders?.set(FAILURE_ALLOWED, 'true');
    return true;
  }

  #refuse(
    stream: Stream,
    status: number,
    body: Buffer,
    details: string,
    headers: [string, string][] | null,
  ): void {
    stream.info.addResponseFlag(ResponseFlag.UnauthorizedExternalService);
    stream.sendLocalReply(status, body, details, headers);
  }
}

export const extAuthzFilterType: HttpFilterType<ExtAuthz, ExtAuthzPerRoute> = {
  name: NAMESPACE,
  configTypes: ['envoy.extensions.filters.http.ext_authz.v3.ExtAuthz'],
  routeConfigTypes: ['envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute'],
  validate(config, report) {
    if (config.grpcService === undefined && config.httpService === undefined)
      report('', 'one of grpc_service and http_service is required');
    if (config.allowedHeaders !== undefined && config.httpService?.authorizationRequest?.allowedHeaders)
      report('allowed_headers', 'stands beside http_service.authorization_request.allowed_headers');
  },
  create(config, context) {
    return new ExtAuthzEntry(config, context);
  },
  compileRouteConfig(config): RouteSettings {
    return { disabled: config.disabled === true, check: config.checkSettings };
  },
};
