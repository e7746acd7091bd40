// An authorization service that speaks gRPC: envoy.service.auth.v3.Authorization/Check.

import { STATUS_CODES } from 'node:http';
import type { CheckResponse, ExtAuthz, GrpcService, HeaderValueOption } from '@dragoman/config';
import { type FilterContext, GrpcMethod } from '@dragoman/proxy';
import {
  type AuthorizationService,
  type Check,
  NameMatchers,
  type RunningCheck,
  ShownHeaders,
} from './check.ts';
import { checkAttributes } from './check-attributes.ts';
import { Decision, HeaderAction, type HeaderChange, type Verdict, verdict } from './verdict.ts';

const CHECK = '/envoy.service.auth.v3.Authorization/Check';
const TYPES = {
  request: 'envoy.service.auth.v3.CheckRequest',
  response: 'envoy.service.auth.v3.CheckResponse',
} as const;
const DEFAULT_TIMEOUT_MS = 200;

/** Status numbers by the names of type.v3.StatusCode in lower case: "toomanyrequests". */
const STATUSES: ReadonlyMap<string, number> = new Map(
  Object.entries(STATUS_CODES).map(([code, phrase]) => [
    (phrase ?? '').replaceAll(/[^A-Za-z]/g, '').toLowerCase(),
    Number(code),
  ]),
);

/** A status number for a name, or a number that has no name; 0 for none. */
export function statusNumber(code: string | number | undefined): number {
  return typeof code === 'number' ? code : (STATUSES.get((code ?? '').toLowerCase()) ?? 0);
}

const ACTIONS: Readonly<Record<HeaderValueOption['appendAction'], number>> = {
  APPEND_IF_EXISTS_OR_ADD: HeaderAction.Set,
  ADD_IF_ABSENT: HeaderAction.AddIfAbsent,
  OVERWRITE_IF_EXISTS_OR_ADD: HeaderAction.Set,
  OVERWRITE_IF_EXISTS: HeaderAction.SetIfExists,
};

/** `append` false, the default here, sets; what true does depends on whom the headers are for. */
function changes(options: readonly HeaderValueOption[], appending: number): HeaderChange[] {
  return options.map(({ header, append, appendAction }) => {
    const raw = header?.rawValue;
    const bytes = header?.value ? Buffer.from(header.value, 'utf8') : Buffer.from(raw ?? []);
    return {
      name: (header?.key ?? '').toLowerCase(),
      value: bytes.toString('latin1'),
      action: append === true ? appending : append === false ? HeaderAction.Set : ACTIONS[appendAction],
    };
  });
}

function verdictOf(response: CheckResponse): Verdict {
  const { okResponse: ok, deniedResponse: denied } = response;
  const dynamicMetadata = ok?.dynamicMetadata ?? response.dynamicMetadata ?? {};
  if ((response.status?.code ?? 0) !== 0)
    return verdict(Decision.Denied, {
      status: statusNumber(denied?.status?.code) || 403,
      body: Buffer.from(denied?.body ?? '', 'utf8'),
      answerHeaders: changes(denied?.headers ?? [], HeaderAction.Add),
      dynamicMetadata,
    });
  return verdict(Decision.Ok, {
    requestHeaders: changes(ok?.headers ?? [], HeaderAction.AppendIfExists),
    requestHeadersToRemove: (ok?.headersToRemove ?? []).map(name => name.toLowerCase()),
    queryParametersToSet: (ok?.queryParametersToSet ?? []).map(({ key, value }) => [key, value] as const),
    queryParametersToRemove: ok?.queryParametersToRemove ?? [],
    responseHeaders: changes(ok?.responseHeadersToAdd ?? [], HeaderAction.Add),
    dynamicMetadata,
  });
}

export class GrpcAuthorizationService implements AuthorizationService {
  readonly #method: GrpcMethod<typeof TYPES.request, typeof TYPES.response>;
  readonly #shown: ShownHeaders;
  readonly #filter: ExtAuthz;

  constructor(service: GrpcService, filter: ExtAuthz, context: FilterContext) {
    this.#method = new GrpcMethod(service, CHECK, TYPES, context.asyncClient);
    this.#filter = filter;
    const { allowedHeaders, disallowedHeaders } = filter;
    this.#shown = new ShownHeaders(
      allowedHeaders === undefined ? null : new NameMatchers(allowedHeaders),
      new NameMatchers(disallowedHeaders),
      false,
    );
  }

  check(check: Check, onDone: (verdict: Verdict) => void): RunningCheck | null {
    const attributes = checkAttributes(check, this.#shown, this.#filter);
    const http = attributes.request?.http;
    if (check.body !== null && http !== undefined) {
      if (this.#filter.withRequestBody?.packAsBytes === true) http.rawBody = check.body;
      else http.body = check.body.toString('utf8');
    }
    return this.#method.call({ attributes }, DEFAULT_TIMEOUT_MS, response =>
      onDone(response === null ? verdict(Decision.Error) : verdictOf(response)),
    );
  }
}
