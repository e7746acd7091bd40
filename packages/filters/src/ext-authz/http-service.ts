// An authorization service that speaks HTTP: it gets a request with the method, path and chosen headers of the client's,
// and its answer decides: 200 lets pass, 5xx is an error, anything else is passed on to the client.

import type { AuthorizationResponse, ExtAuthz, ExtAuthzHttpService } from '@dragoman/config';
import { RequestHeaders, type ResponseHeaders } from '@dragoman/http';
import type { AsyncResponse, FilterContext } from '@dragoman/proxy';
import {
  type AuthorizationService,
  type Check,
  NameMatchers,
  PARTIAL_BODY,
  type RunningCheck,
  ShownHeaders,
} from './check.ts';
import { Decision, HeaderAction, type HeaderChange, type Verdict, verdict } from './verdict.ts';

const DEFAULT_TIMEOUT_MS = 200;
const TO_REMOVE = 'x-envoy-auth-headers-to-remove';
/** Belong to the connection to the service, not to its answer. */
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', TO_REMOVE]);
/** Passed to the client with any list of allowed_client_headers. */
const ALWAYS_TO_CLIENT = new Set(['www-authenticate', 'location']);

class AnswerRules {
  readonly #upstream: NameMatchers;
  readonly #upstreamAppend: NameMatchers;
  readonly #client: NameMatchers;
  readonly #clientOnSuccess: NameMatchers;
  readonly #metadata: NameMatchers;

  constructor(config: AuthorizationResponse | undefined) {
    this.#upstream = new NameMatchers(config?.allowedUpstreamHeaders);
    this.#upstreamAppend = new NameMatchers(config?.allowedUpstreamHeadersToAppend);
    this.#client = new NameMatchers(config?.allowedClientHeaders);
    this.#clientOnSuccess = new NameMatchers(config?.allowedClientHeadersOnSuccess);
    this.#metadata = new NameMatchers(config?.dynamicMetadataFromHeaders);
  }

  verdict(response: AsyncResponse): Verdict {
    const { headers } = response;
    if (headers.status >= 500) return verdict(Decision.Error);
    return headers.status === 200 ? this.#ok(headers) : this.#denied(response);
  }

  #ok(headers: ResponseHeaders): Verdict {
    const requestHeaders: HeaderChange[] = [];
    const responseHeaders: HeaderChange[] = [];
    forEachAnswerHeader(headers, (name, value) => {
      if (this.#upstream.match(name)) requestHeaders.push({ name, value, action: HeaderAction.Set });
      if (this.#upstreamAppend.match(name))
        requestHeaders.push({ name, value, action: HeaderAction.AppendIfExists });
      if (this.#clientOnSuccess.match(name)) responseHeaders.push({ name, value, action: HeaderAction.Add });
    });
    const requestHeadersToRemove = headers
      .getAll(TO_REMOVE)
      .flatMap(line => line.split(','))
      .map(name => name.trim().toLowerCase())
      .filter(name => name !== '');
    const dynamicMetadata = this.#metadataOf(headers);
    return verdict(Decision.Ok, { requestHeaders, requestHeadersToRemove, responseHeaders, dynamicMetadata });
  }

  #denied(response: AsyncResponse): Verdict {
    const { headers, body } = response;
    const answerHeaders: HeaderChange[] = [];
    const all = this.#client.length === 0;
    forEachAnswerHeader(headers, (name, value) => {
      // The reply gets the length of its own body, which a HEAD's or a gRPC request's is not.
      if (name === 'content-length') return;
      if (all || ALWAYS_TO_CLIENT.has(name) || this.#client.match(name))
        answerHeaders.push({ name, value, action: HeaderAction.Add });
    });
    const dynamicMetadata = this.#metadataOf(headers);
    return verdict(Decision.Denied, { status: headers.status, body, answerHeaders, dynamicMetadata });
  }

  #metadataOf(headers: ResponseHeaders): Record<string, string> {
    const found: Record<string, string> = {};
    if (this.#metadata.length > 0)
      forEachAnswerHeader(headers, (name, value) => {
        if (this.#metadata.match(name)) found[name] = Buffer.from(value, 'latin1').toString('utf8');
      });
    return found;
  }
}

function forEachAnswerHeader(headers: ResponseHeaders, visit: (name: string, value: string) => void): void {
  headers.forEach((name, value) => {
    if (!name.startsWith(':') && !HOP_BY_HOP.has(name)) visit(name, value);
  });
}

export class HttpAuthorizationService implements AuthorizationService {
  readonly #config: ExtAuthzHttpService;
  readonly #shown: ShownHeaders;
  readonly #rules: AnswerRules;
  readonly #context: FilterContext;
  readonly #timeoutMs: number;

  constructor(config: ExtAuthzHttpService, filter: ExtAuthz, context: FilterContext) {
    this.#config = config;
    const allowed = config.authorizationRequest?.allowedHeaders ?? filter.allowedHeaders;
    this.#shown = new ShownHeaders(
      new NameMatchers(allowed),
      new NameMatchers(filter.disallowedHeaders),
      true,
    );
    this.#rules = new AnswerRules(config.authorizationResponse);
    this.#context = context;
    this.#timeoutMs = config.serverUri?.timeout ?? DEFAULT_TIMEOUT_MS;
  }

  check(check: Check, onDone: (verdict: Verdict) => void): RunningCheck | null {
    const request = {
      headers: this.#headers(check),
      body: check.body,
      timeoutMs: this.#timeoutMs,
      forwardedFor: false,
    };
    return this.#context.asyncClient.send(this.#config.serverUri?.cluster ?? '', request, response =>
      onDone(this.#rules.verdict(response)),
    );
  }

  #headers(check: Check): RequestHeaders {
    const headers = new RequestHeaders();
    headers.scheme = check.stream.requestHeaders?.scheme ?? 'http';
    headers.add('content-length', String(check.body?.length ?? 0));
    for (const [name, value] of this.#shown.of(check.stream)) {
      if (name === ':path') headers.path = this.#config.pathPrefix + value;
      else if (name === ':method') headers.method = value;
      else if (name === ':authority') headers.authority = value;
      else if (!name.startsWith(':') && name !== 'content-length' && !HOP_BY_HOP.has(name))
        headers.add(name, value);
    }
    if (check.body !== null) headers.set(PARTIAL_BODY, String(check.partial));
    for (const { key, value } of this.#config.authorizationRequest?.headersToAdd ?? [])
      headers.set(key.toLowerCase(), value);
    return headers;
  }
}
