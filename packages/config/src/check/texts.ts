// Checks of texts inside the configuration: regexes, format strings, names of headers to change, files.

import { existsSync } from 'node:fs';
import type { Decoded } from '../decode/json-decoder.ts';
import type { CheckContext, TypeChecks } from './context.ts';
import { brokenRegex, captureGroups } from './regex.ts';

type Path = (string | number)[];

/** Envoy lets nobody but its own options change pseudo headers and Host. */
const isFixedHeader = (name: string): boolean => name.startsWith(':') || name.toLowerCase() === 'host';

/** Checks of the four header lists of a route, virtual host, route table or weighted cluster. */
export function checkHeaderLists(context: CheckContext, message: Decoded, path: Path): void {
  for (const [field, name] of [
    ['requestHeadersToAdd', 'request_headers_to_add'],
    ['responseHeadersToAdd', 'response_headers_to_add'],
  ] as const) {
    (message[field] as { header?: { key: string } }[]).forEach(({ header }, i) => {
      if (header === undefined || !isFixedHeader(header.key)) return;
      const at = [...path, name, i, 'header', 'key'];
      context.problems.error(at, ':-prefixed or host headers may not be modified', '', HOST_HINT);
    });
  }
  for (const [field, name] of [
    ['requestHeadersToRemove', 'request_headers_to_remove'],
    ['responseHeadersToRemove', 'response_headers_to_remove'],
  ] as const) {
    (message[field] as string[]).forEach((header, i) => {
      if (!isFixedHeader(header)) return;
      context.problems.error([...path, name, i], ':-prefixed or host headers may not be removed');
    });
  }
}

const HOST_HINT = 'use host_rewrite_literal, prefix_rewrite or regex_rewrite';

/** Every string in a JSON value, with its path. */
function* stringsIn(value: unknown, path: Path): Generator<[string, Path]> {
  if (typeof value === 'string') yield [value, path];
  else if (Array.isArray(value))
    for (let i = 0; i < value.length; i++) yield* stringsIn(value[i], [...path, i]);
  else if (typeof value === 'object' && value !== null) {
    for (const [key, item] of Object.entries(value)) yield* stringsIn(item, [...path, key]);
  }
}

function checkFormats(context: CheckContext, value: unknown, path: Path): void {
  if (context.checkFormatString === null) return;
  for (const [text, at] of stringsIn(value, path)) {
    const broken = context.checkFormatString(text);
    if (broken !== null) context.problems.error(at, broken, '', 'write %% for a percent sign');
  }
}

/** The fields of these messages that are format strings; `*` parts of a path are walked by stringsIn. */
const FORMAT_FIELDS: Record<string, readonly (readonly [string, string])[]> = {
  'envoy.config.core.v3.SubstitutionFormatString': [
    ['textFormat', 'text_format'],
    ['jsonFormat', 'json_format'],
  ],
  'envoy.extensions.access_loggers.file.v3.FileAccessLog': [
    ['format', 'format'],
    ['jsonFormat', 'json_format'],
    ['typedJsonFormat', 'typed_json_format'],
  ],
};

function checkSource(context: CheckContext, source: Decoded, path: Path): void {
  if (!context.checkFiles) return;
  const { filename, environmentVariable } = source as { filename?: string; environmentVariable?: string };
  if (filename !== undefined && !existsSync(filename)) {
    context.problems.error([...path, 'filename'], `Invalid path: ${filename}`, 'a readable file');
  }
  if (environmentVariable !== undefined && process.env[environmentVariable] === undefined) {
    context.problems.error(
      [...path, 'environment_variable'],
      `Environment variable doesn't exist: ${environmentVariable}`,
    );
  }
}

function checkSubstitution(context: CheckContext, rewrite: Decoded, path: Path): void {
  const { pattern, substitution } = rewrite as { pattern?: { regex: string }; substitution: string };
  if (pattern === undefined || brokenRegex(pattern.regex) !== null) return;
  const groups = captureGroups(pattern.regex);
  for (const match of substitution.matchAll(/\\(.?)/g)) {
    const group = match[1]!;
    if (group === '\\' || (/\d/.test(group) && Number(group) <= groups)) continue;
    const at = [...path, 'substitution'];
    if (/\d/.test(group)) {
      context.problems.error(at, `invalid substitution: \\${group} but the regex has ${groups} group(s)`);
    } else
      context.problems.error(at, 'Invalid rewrite pattern: backslashes escape a digit or a backslash only');
  }
}

/** Checks by message type. */
export function textChecks(context: CheckContext): TypeChecks {
  const checks: TypeChecks = {
    'envoy.type.matcher.v3.RegexMatcher': (matcher: { regex: string }, path) => {
      const broken = brokenRegex(matcher.regex);
      if (broken !== null) context.problems.error([...path, 'regex'], broken, 'a regex in RE2 syntax');
    },
    'envoy.type.matcher.v3.RegexMatchAndSubstitute': (rewrite: Decoded, path) =>
      checkSubstitution(context, rewrite, path),
    'envoy.config.core.v3.DataSource': (source: Decoded, path) => checkSource(context, source, path),
    'envoy.config.core.v3.HeaderValueOption': ({ header }: { header?: { value: string } }, path) => {
      if (header !== undefined) checkFormats(context, header.value, [...path, 'header', 'value']);
    },
  };
  for (const [type, fields] of Object.entries(FORMAT_FIELDS)) {
    checks[type] = (message: Decoded, path) => {
      for (const [field, name] of fields) checkFormats(context, message[field], [...path, name]);
      const inline = (message.textFormatSource as { inlineString?: string } | undefined)?.inlineString;
      checkFormats(context, inline, [...path, 'text_format_source', 'inline_string']);
    };
  }
  return checks;
}
