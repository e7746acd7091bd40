// SubstitutionFormatString: the message around a text or JSON format, with its content type.

import type { JsonObject, SubstitutionFormatString } from '@dragoman/config';
import { readDataSource } from './data-source.ts';
import type { FormatInput } from './format-input.ts';
import { compileFormat } from './formatter.ts';
import { JsonFormatter } from './json-formatter.ts';

/** Anything that writes the text of one request; a byte string. */
export interface TextFormatter {
  format(input: FormatInput, logType?: string): string;
}

export interface CompiledFormat {
  readonly formatter: TextFormatter;
  readonly json: boolean;
  /** `content_type`, or the default of the kind; for local replies. */
  readonly contentType: string;
}

/**
 * @throws Error with Envoy's text for a wrong format; an extension formatter is refused by name.
 */
export function compileSubstitutionFormat(config: SubstitutionFormatString): CompiledFormat {
  for (const extension of config.formatters ?? []) {
    if (
      !BUILT_IN_FORMATTERS.has(extension.name) &&
      !BUILT_IN_FORMATTERS.has(extension.typedConfig?.typeName ?? '')
    )
      throw new Error(`formatters: Formatter not found: ${extension.name}`);
  }
  const omitEmpty = config.omitEmptyValues;
  if (config.jsonFormat !== undefined) {
    return {
      formatter: new JsonFormatter(config.jsonFormat as JsonObject, omitEmpty),
      json: true,
      contentType: config.contentType || 'application/json',
    };
  }
  const text = config.textFormat ?? readDataSource(config.textFormatSource).toString('utf8');
  return {
    formatter: compileFormat(text, { omitEmpty }),
    json: false,
    contentType: config.contentType || 'text/plain',
  };
}

/** Extensions whose operators are always at hand here. */
const BUILT_IN_FORMATTERS = new Set([
  'envoy.formatter.req_without_query',
  'envoy.formatter.metadata',
  'envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery',
  'envoy.extensions.formatter.metadata.v3.Metadata',
]);
