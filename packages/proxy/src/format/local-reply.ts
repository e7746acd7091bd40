// local_reply_config: how responses made here are changed before they go out: status, headers, body and its format.

import type { LocalReplyConfig as LocalReplyConfigMessage, ResponseMapper } from '@dragoman/config';
import type { ResponseHeaders } from '@dragoman/http';
import { type AccessLogFilter, compileAccessLogFilter } from '../access-log/access-log-filter.ts';
import { compileHeaderMutations, type HeaderMutations } from '../route/header-mutations.ts';
import type { Runtime } from '../route/runtime-fraction.ts';
import { readDataSource } from './data-source.ts';
import type { FormatInput } from './format-input.ts';
import { type CompiledFormat, compileSubstitutionFormat } from './substitution-format.ts';

/** The body that takes the place of a local reply's own. */
export interface FormattedReply {
  readonly body: Buffer;
  /** Content type of the format; to be set when the body changed or has none yet. */
  readonly contentType: string;
  readonly changed: boolean;
}

interface Mapper {
  readonly filter: AccessLogFilter | null;
  /** 0 = as it is. */
  readonly status: number;
  readonly body: string | null;
  readonly headers: HeaderMutations | null;
  readonly format: CompiledFormat | null;
}

export class LocalReplyConfig {
  readonly #mappers: readonly Mapper[];
  readonly #format: CompiledFormat | null;

  constructor(mappers: readonly Mapper[], format: CompiledFormat | null) {
    this.#mappers = mappers;
    this.#format = format;
  }

  /**
   * Applies the first mapper whose filter takes the reply: sets status and headers in `headers`, and gives the body.
   * `body` is a byte string. Headers see the old status in %RESPONSE_CODE%, the body the new one, as in Envoy.
   */
  apply(input: FormatInput, headers: ResponseHeaders, body: string): FormattedReply {
    const { info } = input;
    info.responseCode = headers.status;
    info.localReplyBody = body;
    const seen = {
      requestHeaders: input.requestHeaders,
      responseHeaders: headers,
      responseTrailers: null,
      info,
      route: null,
    };
    let format = this.#format;
    let ownType: string | null = null;
    for (const mapper of this.#mappers) {
      if (mapper.filter !== null && !mapper.filter.includes(seen, 'NotSet')) continue;
      if (mapper.body !== null) info.localReplyBody = mapper.body;
      if (mapper.headers !== null) {
        const before = headers.get('content-type');
        mapper.headers.evaluate(headers, seen);
        const after = headers.get('content-type');
        if (after !== undefined && after !== before) ownType = after;
      }
      if (mapper.status !== 0) info.responseCode = headers.status = mapper.status;
      format = mapper.format ?? format;
      break;
    }
    const text = format === null ? info.localReplyBody : format.formatter.format(seen);
    return {
      body: Buffer.from(text, 'latin1'),
      contentType: ownType ?? format?.contentType ?? 'text/plain',
      changed: text !== body,
    };
  }
}

function compileMapper(config: ResponseMapper, runtime: Runtime): Mapper {
  return {
    filter: config.filter === undefined ? null : compileAccessLogFilter(config.filter, runtime),
    status: config.statusCode ?? 0,
    body: config.body === undefined ? null : readDataSource(config.body).toString('latin1'),
    headers: compileHeaderMutations(config.headersToAdd, []),
    format:
      config.bodyFormatOverride === undefined ? null : compileSubstitutionFormat(config.bodyFormatOverride),
  };
}

/** @throws DragomanError, or Error with the text of a wrong format. */
export function compileLocalReplyConfig(config: LocalReplyConfigMessage, runtime: Runtime): LocalReplyConfig {
  return new LocalReplyConfig(
    config.mappers.map(mapper => compileMapper(mapper, runtime)),
    config.bodyFormat === undefined ? null : compileSubstitutionFormat(config.bodyFormat),
  );
}
