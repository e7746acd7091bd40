// From configuration texts to one checked Bootstrap: read, decode, merge, check. Every mistake of every text is
// reported in one run. Main thread only.

import { readFileSync } from 'node:fs';
import type { Bootstrap } from '../descriptor/types.ts';
import { type CheckOptions, checkBootstrap } from './check/check.ts';
import { type Decoded, JsonDecoder, type UnknownFields } from './decode/json-decoder.ts';
import { mergeMessage } from './decode/merge.ts';
import { type ConfigError, configErrorAt, type Problem, Problems } from './errors.ts';
import { messageSchema } from './schema/descriptor.ts';
import { type JsonObject, locate, type Source } from './text/source.ts';
import { readJson, readYaml } from './text/yaml.ts';

/** A configuration text and the name to call it by in errors. */
export interface ConfigText {
  file: string;
  text: string;
  /** By the file's extension when absent; everything but `.json` is read as YAML. */
  format?: 'yaml' | 'json';
}

/** What a bootstrap is made of; later parts are merged over earlier ones as protobuf merges messages. */
export interface BootstrapInput {
  /** `--config-path`. */
  configPath?: string;
  texts?: readonly ConfigText[];
  /** `--config-yaml`, merged last. */
  configYaml?: string;
}

export interface LoadOptions extends CheckOptions {
  /** What unknown fields are: Envoy's default for static configuration is 'error'. */
  unknownFields?: UnknownFields;
}

export interface LoadResult {
  /** Null when there are errors. */
  bootstrap: Bootstrap | null;
  errors: ConfigError[];
  warnings: ConfigError[];
  /** How many unknown fields were met (for `server.static_unknown_fields`). */
  unknownFieldCount: number;
  /** The texts as JSON trees, in merge order, for showing what was written. */
  configured: JsonObject[];
}

/** Extensions by which Envoy takes a file as a serialised message or as text proto. */
const BINARY_OR_TEXT_PROTO = /\.(pb|pb_text|pb_length_delimited)$/;

const BOOTSTRAP = 'envoy.config.bootstrap.v3.Bootstrap';

function readTexts(input: BootstrapInput, problems: Problems): ConfigText[] {
  const texts: ConfigText[] = [];
  if (input.configPath !== undefined) {
    try {
      texts.push({ file: input.configPath, text: readFileSync(input.configPath, 'utf8') });
    } catch {
      problems.error([], `Invalid path: ${input.configPath}`, 'a readable file');
    }
  }
  texts.push(...(input.texts ?? []));
  if (input.configYaml !== undefined)
    texts.push({ file: '<config-yaml>', text: input.configYaml, format: 'yaml' });
  return texts;
}

function readSource(text: ConfigText, problems: Problems): Source | null {
  if (text.format === undefined && BINARY_OR_TEXT_PROTO.test(text.file)) {
    problems.error(
      [],
      `not supported: ${text.file} is no YAML or JSON by its name`,
      'a file called .yaml, .yml or .json',
    );
    return null;
  }
  const format = text.format ?? (text.file.endsWith('.json') ? 'json' : 'yaml');
  return format === 'json'
    ? readJson(text.text, text.file, problems)
    : readYaml(text.text, text.file, problems);
}

function placed(problem: Problem, sources: readonly Source[], file: string): ConfigError {
  if (problem.position !== null) return configErrorAt(problem, { file, ...problem.position });
  const place = locate(sources, problem.path);
  return configErrorAt(problem, place.file === '' ? { ...place, file } : place);
}

/** In the order in which they stand in the texts. */
function sortByPlace(list: ConfigError[], texts: readonly ConfigText[]): void {
  const order = new Map(texts.map(({ file }, i) => [file, i]));
  const rank = ({ file }: ConfigError): number => order.get(file) ?? -1;
  list.sort((a, b) => rank(a) - rank(b) || a.line - b.line || a.column - b.column);
}

/** Loads a bootstrap configuration. Never throws for what the texts say. */
export function loadBootstrap(input: BootstrapInput, options: LoadOptions = {}): LoadResult {
  const result: LoadResult = {
    bootstrap: null,
    errors: [],
    warnings: [],
    unknownFieldCount: 0,
    configured: [],
  };
  const report = (problems: Problems, sources: readonly Source[], file: string): void => {
    for (const problem of problems.list)
      (problem.warning ? result.warnings : result.errors).push(placed(problem, sources, file));
  };
  const reading = new Problems();
  const texts = readTexts(input, reading);
  report(reading, [], input.configPath ?? '');
  const schema = messageSchema(BOOTSTRAP);
  const sources: Source[] = [];
  const decoding = new Problems();
  let merged: Decoded | null = null;
  for (const text of texts) {
    const problems = new Problems();
    const source = readSource(text, problems);
    if (source !== null && !problems.failed) {
      const decoder = new JsonDecoder(problems, options.unknownFields);
      const message = decoder.message(schema, source.value);
      result.unknownFieldCount += decoder.unknownFieldCount;
      result.configured.push(source.value as JsonObject);
      sources.push(source);
      if (message !== undefined && merged !== null) mergeMessage(schema, merged, message);
      else merged ??= message ?? null;
    }
    report(problems, source === null ? [] : [source], text.file);
    decoding.list.push(...problems.list);
  }
  if (texts.length === 0 && !reading.failed) {
    reading.error([], 'no configuration given: use --config-path or --config-yaml');
    report(reading, [], '');
  }
  if (merged === null) return result;
  const problems = new Problems();
  problems.list.push(...decoding.list);
  checkBootstrap(merged as unknown as Bootstrap, options, problems);
  problems.list.splice(0, decoding.list.length);
  report(problems, sources, sources[0]!.file);
  for (const list of [result.errors, result.warnings]) sortByPlace(list, texts);
  if (result.errors.length === 0) result.bootstrap = merged as unknown as Bootstrap;
  return result;
}
