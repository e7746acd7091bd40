// Compares what came out of a scenario with what it expects; every difference is a sentence.

import type { HeaderEntries, HttpCall } from '@dragoman/vm';
import type { Expectation, ExpectedHeaders, ExpectedMessage } from './scenario.ts';

/** What came out. */
export interface Outcome {
  /** 'continue', 'answered' (by the plugin), 'closed', or 'paused': it waits for something that never comes. */
  readonly outcome: 'continue' | 'answered' | 'closed' | 'paused';
  /** What the upstream got; null when it got nothing. */
  readonly request: { readonly headers: HeaderEntries; readonly body: string } | null;
  /** What the client got; null when it got nothing. */
  readonly response: { readonly headers: HeaderEntries; readonly body: string } | null;
  readonly logs: readonly string[];
  readonly calls: readonly HttpCall[];
  /** Cause of the plugin's death; '' while it lives. */
  readonly failure: string;
}

/** What is not as expected; empty when all is. */
export function differences(expect: Expectation, outcome: Outcome): string[] {
  const found: string[] = [];
  if (outcome.failure !== (expect.failure ?? ''))
    found.push(
      expect.failure === undefined
        ? `the plugin died: ${outcome.failure}`
        : `expected the plugin to die of ${expect.failure}, it ${outcome.failure === '' ? 'lives' : `died of ${outcome.failure}`}`,
    );
  if (outcome.outcome === 'paused')
    found.push('the plugin pauses, and nothing is under way that could let it go on');
  if (expect.answered !== undefined && expect.answered !== (outcome.outcome === 'answered'))
    found.push(`expected answered: ${expect.answered}, got ${outcome.outcome}`);
  compareMessage('request', expect.request, outcome.request, found);
  compareMessage('response', expect.response, outcome.response, found);
  for (const text of expect.logs) {
    if (!outcome.logs.some(line => matches(text, line, true)))
      found.push(`no log line has ${JSON.stringify(text)}`);
  }
  if (expect.calls !== undefined) compareCalls(expect.calls, outcome.calls, found);
  return found;
}

function compareMessage(
  what: string,
  expected: ExpectedMessage | undefined,
  actual: { readonly headers: HeaderEntries; readonly body: string } | null,
  found: string[],
): void {
  if (expected === undefined) return;
  if (actual === null) {
    found.push(`${what}: nothing came through`);
    return;
  }
  compareHeaders(what, expected.headers, actual.headers, found);
  if (expected.body !== undefined && !matches(expected.body, actual.body, false))
    found.push(`${what} body: expected ${JSON.stringify(expected.body)}, got ${JSON.stringify(actual.body)}`);
}

function compareHeaders(
  what: string,
  expected: ExpectedHeaders,
  actual: HeaderEntries,
  found: string[],
): void {
  for (const [name, value] of Object.entries(expected)) {
    const values = actual.filter(entry => entry[0] === name).map(entry => entry[1]);
    const got =
      values.length === 0 ? 'there is none' : `got ${values.map(each => JSON.stringify(each)).join(', ')}`;
    if (value === null && values.length > 0) found.push(`${what} header ${name}: expected none, ${got}`);
    else if (value !== null && !values.some(each => matches(value, each, false)))
      found.push(`${what} header ${name}: expected ${JSON.stringify(value)}, ${got}`);
  }
}

function compareCalls(
  expected: NonNullable<Expectation['calls']>,
  actual: readonly HttpCall[],
  found: string[],
): void {
  if (expected.length !== actual.length)
    found.push(
      `expected ${expected.length} call-outs, got ${actual.length} (${actual.map(({ upstream }) => upstream).join(', ')})`,
    );
  for (const [i, { cluster, ...message }] of expected.entries()) {
    const call = actual[i];
    if (call === undefined) break;
    if (call.upstream !== cluster)
      found.push(`call-out ${i + 1}: expected cluster ${cluster}, got ${call.upstream}`);
    const headers: [string, string][] = [];
    for (let at = 0; at < call.headers.length; at += 2)
      headers.push([call.headers[at]!, call.headers[at + 1]!]);
    compareMessage(`call-out ${i + 1}`, message, { headers, body: call.body.toString() }, found);
  }
}

/** "/.../" is a pattern; anything else the text itself, or a part of it. */
function matches(expected: string, actual: string, part: boolean): boolean {
  const pattern = /^\/(.*)\/$/s.exec(expected)?.[1];
  // A path such as "/a/" is written as a pattern, too: it matches itself.
  if (pattern !== undefined && new RegExp(pattern).test(actual)) return true;
  return part ? actual.includes(expected) : actual === expected;
}
