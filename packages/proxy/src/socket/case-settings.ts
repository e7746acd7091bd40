// header_key_format of one side of the proxy: what it does with the names it reads, and how it writes names of its own.

import type { Http1ProtocolOptions, PreserveCaseFormatterConfig } from '@dragoman/config';
import {
  type HeaderCase,
  PROPER_CASE,
  PreservedCase,
  parseRequest,
  parseResponse,
  type RequestHead,
  type RequestParserOptions,
  type ResponseHead,
  type ResponseParserOptions,
} from '@dragoman/http';

export class CaseSettings {
  /** For heads that have no case of their own; null = lower case. */
  readonly own: HeaderCase | null;
  readonly #preserve: PreserveCaseFormatterConfig | null;

  constructor(options: Http1ProtocolOptions | undefined) {
    const format = options?.headerKeyFormat;
    this.own = format?.properCaseWords === undefined ? null : PROPER_CASE;
    const typed = format?.statefulFormatter?.typedConfig;
    this.#preserve = typed === undefined ? null : (typed.value as PreserveCaseFormatterConfig);
  }

  /** parseRequest, which makes names lower-case in the bytes it is given: where their case is wanted it gets a copy. */
  parseRequest(
    head: RequestHead,
    buffer: Buffer,
    offset: number,
    end: number,
    options: RequestParserOptions,
  ): number {
    if (this.#preserve === null) return parseRequest(head, buffer, offset, end, options);
    const copy = Buffer.from(buffer.subarray(offset, end));
    const consumed = parseRequest(head, copy, 0, copy.length, options);
    if (consumed > 0)
      head.headers.headerCase = this.#caseOf(this.#preserve, buffer.latin1Slice(offset, offset + consumed));
    return consumed;
  }

  /** The same for responses. */
  parseResponse(
    head: ResponseHead,
    buffer: Buffer,
    offset: number,
    end: number,
    options: ResponseParserOptions,
  ): number {
    if (this.#preserve === null) return parseResponse(head, buffer, offset, end, options);
    const copy = Buffer.from(buffer.subarray(offset, end));
    const consumed = parseResponse(head, copy, 0, copy.length, options);
    if (consumed > 0)
      head.headers.headerCase = this.#caseOf(this.#preserve, buffer.latin1Slice(offset, offset + consumed));
    return consumed;
  }

  #caseOf(config: PreserveCaseFormatterConfig, head: string): HeaderCase {
    const others = config.formatterTypeOnEnvoyHeaders === 'PROPER_CASE' ? PROPER_CASE : null;
    return new PreservedCase(head, others, config.forwardReasonPhrase);
  }
}
