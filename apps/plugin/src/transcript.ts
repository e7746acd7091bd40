// How a run looks on a terminal: each request with its callbacks, their host calls, times and memory, and the verdict.

import type { TracedCallback } from './call-trace.ts';
import { bytesText, timeText } from './report.ts';
import type { RunResult, ScenarioResult } from './scenario-run.ts';

/** `quiet`: only what failed. */
export function runText({ failures, scenarios, start }: RunResult, quiet: boolean): string {
  const lines: string[] = [];
  if (!quiet) lines.push('start', ...start.flatMap(callbackLines), '');
  for (const scenario of scenarios) {
    if (!quiet || scenario.differences.length > 0) lines.push(...scenarioLines(scenario, quiet), '');
  }
  const passed = scenarios.length - failures;
  lines.push(
    failures === 0
      ? `${passed} of ${scenarios.length} as expected`
      : `${failures} of ${scenarios.length} not as expected`,
    '',
  );
  return lines.join('\n');
}

function scenarioLines(scenario: ScenarioResult, quiet: boolean): string[] {
  const { callbacks, differences, failure, logs, name, outcome } = scenario;
  const lines = [`${differences.length === 0 ? 'ok  ' : 'FAIL'} ${name}: ${outcome}`];
  if (!quiet) lines.push(...callbacks.flatMap(callbackLines), ...logs.map(line => `     | ${line}`));
  if (failure !== null) {
    lines.push(`     died in ${failure.callback}: ${failure.reason}`);
    lines.push(...failure.backtrace.map(frame => `       ${frame}`));
  }
  return [...lines, ...differences.map(line => `     ! ${line}`)];
}

function callbackLines({ calls, died, memoryBytes, name, nanoseconds, result }: TracedCallback): string[] {
  const end = died ? 'died' : result === undefined ? '' : `-> ${result}`;
  return [
    `     ${`${name} ${end}`.padEnd(60)} ${timeText(nanoseconds).padStart(9)}  ${bytesText(memoryBytes).padStart(9)}`,
    ...calls.map(
      call =>
        `       ${`${call.text} ${call.result === '' ? '' : `= ${call.result}`}`.padEnd(58)} ${timeText(call.nanoseconds).padStart(9)}`,
    ),
  ];
}
