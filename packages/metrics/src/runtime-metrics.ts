// The Node runtime's own metrics of the main thread and the process (nodejs_*, process_*), by prom-client, which
// is loaded at the first scrape that wants them: a proxy nobody scrapes does not pay for it.

import type { Registry } from 'prom-client';
import type { NamePredicate } from './name-matcher.ts';

/** The event loop is sampled this often; prom-client's 10 ms would wake an idle main thread 100 times a second. */
const EVENT_LOOP_PRECISION_MS = 100;

let registry: Promise<Registry> | null = null;

async function load(): Promise<Registry> {
  const client = await import('prom-client');
  const created = new client.Registry();
  client.collectDefaultMetrics({ register: created, eventLoopMonitoringPrecision: EVENT_LOOP_PRECISION_MS });
  return created;
}

/** Prometheus text of the runtime metrics whose names pass the filter. */
export async function runtimeMetrics(filter: NamePredicate | null): Promise<string> {
  registry ??= load();
  const loaded = await registry;
  const names = loaded
    .getMetricsAsArray()
    .map(metric => metric.name)
    .filter(name => filter === null || filter(name));
  let text = '';
  for (const name of names) text += `${await loaded.getSingleMetricAsString(name)}\n`;
  return text;
}
