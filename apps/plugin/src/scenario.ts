// The YAML file of `dragoman-plugin run`: what is sent through the plugin, what clusters answer, what is expected.
// Every mistake in it is told with its place; nothing in it is ignored.

import { parse, YAMLParseError } from 'yaml';

/** Something the user has to mend; the message says where. */
export class ScenarioError extends Error {}

export interface ScenarioMessage {
  /** With pseudo headers. */
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

/** What a header must be: a value, /a pattern/, or null for "not there". */
export type ExpectedHeaders = Readonly<Record<string, string | null>>;

export interface ExpectedMessage {
  readonly headers: ExpectedHeaders;
  readonly body?: string;
}

export interface Expectation {
  /** What the upstream gets. */
  readonly request?: ExpectedMessage;
  /** What the client gets, from the upstream or from the plugin. */
  readonly response?: ExpectedMessage;
  /** True: the plugin answers by itself. */
  readonly answered?: boolean;
  /** Cause of the plugin's death: trap, deadline, memory, ... */
  readonly failure?: string;
  /** Each must be found in some line. */
  readonly logs: readonly string[];
  /** Call-outs in order. */
  readonly calls?: readonly {
    readonly cluster: string;
    readonly headers: ExpectedHeaders;
    readonly body?: string;
  }[];
}

export interface Scenario {
  readonly name: string;
  readonly request: ScenarioMessage;
  readonly response: ScenarioMessage;
  /** Time that passes before, with the ticks that are due in it. */
  readonly advanceMs: number;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  readonly expect: Expectation;
}

/** An answer of a cluster, or null for a connection that fails. */
export type ClusterAnswer = ScenarioMessage | null;

export interface ScenarioFile {
  readonly plugin: {
    readonly name?: string;
    readonly rootId?: string;
    readonly configuration?: string;
    readonly vmConfiguration?: string;
    readonly environment?: Readonly<Record<string, string>>;
    readonly allowOnHeadersStopIteration?: boolean;
  };
  /** Answers in order; the last one is given again and again. */
  readonly clusters: ReadonlyMap<string, readonly ClusterAnswer[]>;
  readonly requests: readonly Scenario[];
}

type Json = Readonly<Record<string, unknown>>;

/** `file` is for messages. */
export function readScenarios(text: string, file: string): ScenarioFile {
  let content: unknown;
  try {
    content = parse(text);
  } catch (error) {
    if (error instanceof YAMLParseError) throw new ScenarioError(`${file}: ${error.message}`);
    throw error;
  }
  try {
    return readFile(content);
  } catch (error) {
    if (error instanceof ScenarioError) throw new ScenarioError(`${file}: ${error.message}`);
    throw error;
  }
}

function readFile(content: unknown): ScenarioFile {
  const file = section(content, 'the file', ['plugin', 'clusters', 'requests']);
  const names = [
    'name',
    'root_id',
    'configuration',
    'vm_configuration',
    'environment',
    'allow_on_headers_stop_iteration',
  ];
  const plugin = section(file.plugin ?? {}, 'plugin', names);
  const clusters = Object.entries(mapping(file.clusters ?? {}, 'clusters')).map(
    ([name, answers]) =>
      [
        name,
        list(answers, `clusters.${name}`).map((each, i) => clusterAnswer(each, `clusters.${name}[${i}]`)),
      ] as const,
  );
  const requests = list(file.requests, 'requests').map((each, i) => readScenario(each, i));
  if (requests.length === 0) throw new ScenarioError('requests: there is none');
  return {
    plugin: {
      ...textOf(plugin, 'name', 'name', 'plugin'),
      ...textOf(plugin, 'root_id', 'rootId', 'plugin'),
      ...configurationOf(plugin, 'configuration', 'configuration'),
      ...configurationOf(plugin, 'vm_configuration', 'vmConfiguration'),
      ...(plugin.environment !== undefined && {
        environment: texts(plugin.environment, 'plugin.environment'),
      }),
      ...(plugin.allow_on_headers_stop_iteration === true && { allowOnHeadersStopIteration: true }),
    },
    clusters: new Map(clusters),
    requests,
  };
}

function readScenario(content: unknown, index: number): Scenario {
  const path = `requests[${index}]`;
  const step = section(content, path, ['name', 'request', 'response', 'advance_ms', 'attributes', 'expect']);
  const request = section(step.request ?? {}, `${path}.request`, [
    'method',
    'path',
    'authority',
    'scheme',
    'headers',
    'body',
  ]);
  const response = section(step.response ?? {}, `${path}.response`, ['status', 'headers', 'body']);
  const pseudo = (name: string, missing: string): [string, string] => [
    `:${name}`,
    String(request[name] ?? missing),
  ];
  return {
    name: step.name === undefined ? `request ${index + 1}` : String(step.name),
    request: {
      headers: [
        ...[
          pseudo('method', 'GET'),
          pseudo('path', '/'),
          pseudo('authority', 'example.org'),
          pseudo('scheme', 'http'),
        ],
        ...headerEntries(request.headers, `${path}.request.headers`),
      ],
      body: String(request.body ?? ''),
    },
    response: responseOf(response, `${path}.response`),
    advanceMs: wholeNumber(step.advance_ms ?? 0, `${path}.advance_ms`),
    attributes: mapping(step.attributes ?? {}, `${path}.attributes`) as Scenario['attributes'],
    expect: readExpectation(step.expect ?? {}, `${path}.expect`),
  };
}

function readExpectation(content: unknown, path: string): Expectation {
  const expect = section(content, path, ['request', 'response', 'answered', 'failure', 'logs', 'calls']);
  const calls =
    expect.calls === undefined
      ? undefined
      : list(expect.calls, `${path}.calls`).map((each, i) => {
          const call = section(each, `${path}.calls[${i}]`, ['cluster', 'headers', 'body']);
          return { cluster: String(call.cluster), ...expectedMessage(call, `${path}.calls[${i}]`) };
        });
  return {
    logs: list(expect.logs ?? [], `${path}.logs`).map(String),
    ...(expect.request !== undefined && {
      request: expectedMessage(
        section(expect.request, `${path}.request`, ['headers', 'body']),
        `${path}.request`,
      ),
    }),
    ...(expect.response !== undefined && { response: expectedResponse(expect.response, `${path}.response`) }),
    ...(expect.answered !== undefined && { answered: expect.answered === true }),
    ...(expect.failure !== undefined && { failure: String(expect.failure) }),
    ...(calls !== undefined && { calls }),
  };
}

function expectedResponse(content: unknown, path: string): ExpectedMessage {
  const response = section(content, path, ['status', 'headers', 'body']);
  const message = expectedMessage(response, path);
  if (response.status === undefined) return message;
  return { ...message, headers: { ':status': String(response.status), ...message.headers } };
}

function expectedMessage(content: Json, path: string): ExpectedMessage {
  const headers: Record<string, string | null> = {};
  for (const [name, value] of Object.entries(mapping(content.headers ?? {}, `${path}.headers`)))
    headers[name.toLowerCase()] = value === null ? null : String(value);
  return { headers, ...(content.body !== undefined && { body: String(content.body) }) };
}

function clusterAnswer(content: unknown, path: string): ClusterAnswer {
  const answer = section(content, path, ['status', 'headers', 'body', 'fails']);
  return answer.fails === true ? null : responseOf(answer, path);
}

function responseOf(content: Json, path: string): ScenarioMessage {
  const status: [string, string] = [':status', String(content.status ?? 200)];
  return {
    headers: [status, ...headerEntries(content.headers, `${path}.headers`)],
    body: String(content.body ?? ''),
  };
}

/** A list of values is one header for each of them. */
function headerEntries(content: unknown, path: string): [string, string][] {
  return Object.entries(mapping(content ?? {}, path)).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value]).map((each): [string, string] => [
      name.toLowerCase(),
      String(each),
    ]),
  );
}

/** Plugins get text; what is written as YAML they get as JSON. */
function configurationOf(plugin: Json, from: string, to: string): Json {
  const value = plugin[from];
  if (value === undefined) return {};
  return { [to]: typeof value === 'string' ? value : JSON.stringify(value) };
}

function textOf(content: Json, from: string, to: string, path: string): Json {
  const value = content[from];
  if (value === undefined) return {};
  if (typeof value !== 'string') throw new ScenarioError(`${path}.${from}: expected text`);
  return { [to]: value };
}

function texts(content: unknown, path: string): Record<string, string> {
  const entries = Object.entries(mapping(content, path));
  return Object.fromEntries(entries.map(([name, value]) => [name, String(value)]));
}

function section(content: unknown, path: string, known: readonly string[]): Json {
  const fields = mapping(content, path);
  for (const name of Object.keys(fields)) {
    if (!known.includes(name))
      throw new ScenarioError(`${path}: there is no "${name}"; there is ${known.join(', ')}`);
  }
  return fields;
}

function mapping(content: unknown, path: string): Json {
  if (typeof content === 'object' && content !== null && !Array.isArray(content)) return content as Json;
  throw new ScenarioError(`${path}: expected a mapping`);
}

function list(content: unknown, path: string): unknown[] {
  if (Array.isArray(content)) return content;
  throw new ScenarioError(`${path}: expected a list`);
}

function wholeNumber(content: unknown, path: string): number {
  if (Number.isInteger(content) && (content as number) >= 0) return content as number;
  throw new ScenarioError(`${path}: expected a whole number from 0`);
}
