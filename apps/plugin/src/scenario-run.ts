// Sends the requests of a scenario file through a plugin, one after the other, on one instance as a proxy's worker has it.

import { type Exchange, type Passage, Plugin, PluginStartError, type VmFailure } from '@dragoman/vm';
import { CallTrace, type TracedCallback } from './call-trace.ts';
import { differences, type Outcome } from './expectations.ts';
import { type Scenario, ScenarioError, type ScenarioFile, type ScenarioMessage } from './scenario.ts';
import { ScenarioClock } from './scenario-clock.ts';
import { ScriptedClusters } from './scripted-clusters.ts';

export interface ScenarioResult {
  readonly name: string;
  readonly outcome: Outcome['outcome'];
  readonly callbacks: readonly TracedCallback[];
  readonly logs: readonly string[];
  readonly failure: VmFailure | null;
  /** What was not as expected. */
  readonly differences: readonly string[];
}

export interface RunResult {
  /** Until the first request. */
  readonly start: readonly TracedCallback[];
  readonly scenarios: readonly ScenarioResult[];
  /** How many scenarios were not as expected. */
  readonly failures: number;
}

/** Turns of the event loop after which something that was under way has happened. */
const IDLE_TURNS = 5;

/** Throws ModuleError or ScenarioError for a plugin that cannot be run at all. */
export async function runScenarios(bytes: Buffer, file: ScenarioFile): Promise<RunResult> {
  const trace = new CallTrace();
  const clock = new ScenarioClock();
  const clusters = new ScriptedClusters(file.clusters);
  let logs: string[] = [];
  let failure: VmFailure | null = null;
  const plugin = await Plugin.load(bytes, {
    name: 'plugin',
    ...file.plugin,
    tracer: trace,
    logLevel: 0,
    log: (_level, line) => logs.push(line),
    onFailure: met => {
      failure = met;
    },
    host: { clock, httpCall: clusters.call },
  }).catch((error: Error) => {
    // What it had to say before it died is often the reason.
    if (error instanceof PluginStartError) throw new ScenarioError([error.message, ...logs].join('\n  | '));
    throw error;
  });
  const start = trace.take();
  const scenarios: ScenarioResult[] = [];
  for (const scenario of file.requests) {
    clock.advance(scenario.advanceMs);
    await settled(clusters);
    const exchange = plugin.exchange({ attributes: scenario.attributes });
    const passed = await pass(exchange, scenario, clusters);
    exchange.end();
    const met = failure as VmFailure | null;
    const outcome: Outcome = { ...passed, logs, calls: clusters.take(), failure: met?.cause ?? '' };
    scenarios.push({
      name: scenario.name,
      outcome: outcome.outcome,
      callbacks: trace.take(),
      logs,
      failure: met,
      differences: differences(scenario.expect, outcome),
    });
    logs = [];
    failure = null;
  }
  await plugin.close();
  return { start, scenarios, failures: scenarios.filter(each => each.differences.length > 0).length };
}

type Passed = Pick<Outcome, 'outcome' | 'request' | 'response'>;

async function pass(
  exchange: Exchange,
  { request, response }: Scenario,
  clusters: ScriptedClusters,
): Promise<Passed> {
  const there = await waitFor(exchange.request(message(request)), clusters);
  if (there === null || there.outcome !== 'continue') return ending(there, null);
  const back = await waitFor(exchange.response(message(response)), clusters);
  return ending(back, messageOf(there));
}

/** A body only where there is one: a message without has no body callback. */
const message = ({ body, headers }: ScenarioMessage) => (body === '' ? { headers } : { headers, body });

function ending(passage: Passage | null, request: Passed['request']): Passed {
  if (passage === null) return { outcome: 'paused', request, response: null };
  if (passage.outcome === 'close') return { outcome: 'closed', request, response: null };
  if (passage.outcome === 'continue') return { outcome: 'continue', request, response: messageOf(passage) };
  const { body, headers, status } = passage.answer;
  const response = { headers: [[':status', String(status)] as const, ...headers], body: textOf(body) };
  return { outcome: 'answered', request, response };
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

function messageOf({
  body,
  headers,
}: Extract<Passage, { outcome: 'continue' }>): NonNullable<Passed['request']> {
  return { headers: headers ?? [], body: textOf(body) };
}

/** Null when the plugin waits and nothing is under way: in a proxy it would hang, too. */
async function waitFor(passing: Promise<Passage>, clusters: ScriptedClusters): Promise<Passage | null> {
  return Promise.race([passing, settled(clusters).then(() => null)]);
}

async function settled(clusters: ScriptedClusters): Promise<void> {
  for (let idle = 0; idle < IDLE_TURNS; idle = clusters.pending > 0 ? 0 : idle + 1)
    await new Promise(resolve => setImmediate(resolve));
}
