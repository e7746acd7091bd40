// Access logs of a listener or connection manager, compiled: a filter, a format and where the line goes.

import { DragomanError } from '@dragoman/base';
import type { AccessLog as AccessLogConfig, Any, FileAccessLog, StdoutAccessLog } from '@dragoman/config';
import type { FormatInput } from '../format/format-input.ts';
import { compileFormat } from '../format/formatter.ts';
import { JsonFormatter } from '../format/json-formatter.ts';
import { compileSubstitutionFormat, type TextFormatter } from '../format/substitution-format.ts';
import { emptyRuntime, type Runtime } from '../route/runtime-fraction.ts';
import { type AccessLogFilter, compileAccessLogFilter } from './access-log-filter.ts';
import type { LogFile, LogFiles } from './log-file.ts';

/** The line Envoy writes when no format is configured. */
export const DEFAULT_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" ' +
  '"%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

/** What a line is written for, as %ACCESS_LOG_TYPE% shows it. */
export const DOWNSTREAM_END = 'DownstreamEnd';

/** One access log. `log` never throws. */
export interface AccessLog {
  log(input: FormatInput, logType?: string): void;
}

/** Makes an access log of a type this package does not know; null when it does not know it either. */
export type AccessLogExtension = (config: Any, filter: AccessLogFilter | null) => AccessLog | null;

export interface AccessLogContext {
  readonly files: LogFiles;
  /** Absent: no runtime layers. */
  readonly runtime?: Runtime;
  readonly extension?: AccessLogExtension;
}

class FileLog implements AccessLog {
  readonly #filter: AccessLogFilter | null;
  readonly #formatter: TextFormatter;
  readonly #file: LogFile;

  constructor(filter: AccessLogFilter | null, formatter: TextFormatter, file: LogFile) {
    this.#filter = filter;
    this.#formatter = formatter;
    this.#file = file;
  }

  log(input: FormatInput, logType = DOWNSTREAM_END): void {
    if (this.#filter !== null && !this.#filter.includes(input, logType)) return;
    this.#file.write(this.#formatter.format(input, logType));
  }
}

function fileFormatter(config: FileAccessLog): TextFormatter {
  if (config.logFormat !== undefined) return compileSubstitutionFormat(config.logFormat).formatter;
  const json = config.typedJsonFormat ?? config.jsonFormat;
  if (json !== undefined) return new JsonFormatter(json, false);
  return compileFormat(config.format || DEFAULT_FORMAT);
}

function streamFormatter(config: StdoutAccessLog): TextFormatter {
  return config.logFormat === undefined
    ? compileFormat(DEFAULT_FORMAT)
    : compileSubstitutionFormat(config.logFormat).formatter;
}

function compileAccessLog(config: AccessLogConfig, context: AccessLogContext): AccessLog {
  const filter =
    config.filter === undefined
      ? null
      : compileAccessLogFilter(config.filter, context.runtime ?? emptyRuntime);
  const { typedConfig } = config;
  if (typedConfig === undefined)
    throw new DragomanError('ACCESS_LOG', `access_log ${config.name}: typed_config is missing`);
  switch (typedConfig.typeName) {
    case 'envoy.extensions.access_loggers.file.v3.FileAccessLog': {
      const file = typedConfig.value as FileAccessLog;
      return new FileLog(filter, fileFormatter(file), context.files.open(file.path));
    }
    case 'envoy.extensions.access_loggers.stream.v3.StdoutAccessLog':
      return new FileLog(
        filter,
        streamFormatter(typedConfig.value as StdoutAccessLog),
        context.files.open('/dev/stdout'),
      );
    case 'envoy.extensions.access_loggers.stream.v3.StderrAccessLog':
      return new FileLog(
        filter,
        streamFormatter(typedConfig.value as StdoutAccessLog),
        context.files.open('/dev/stderr'),
      );
    default: {
      const log = context.extension?.(typedConfig, filter) ?? null;
      if (log === null)
        throw new DragomanError(
          'UNSUPPORTED',
          `access_log ${config.name}: ${typedConfig.typeName} is not supported`,
        );
      return log;
    }
  }
}

/**
 * Compiles the access logs of one place.
 * @throws DragomanError ACCESS_LOG or UNSUPPORTED, or Error with the text of a wrong format.
 */
export function compileAccessLogs(
  configs: readonly AccessLogConfig[],
  context: AccessLogContext,
): readonly AccessLog[] {
  return configs.map(config => compileAccessLog(config, context));
}
