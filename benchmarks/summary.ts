// Condenses the samples of the rounds into one row per contestant, with ratios taken within each round.
import type { Contestant } from './contestants.ts';
import type { RequestsResult, Sample, Series } from './rounds.ts';
import { difference, median, medianWithin, ratio } from './statistics.ts';

/** NaN stands for what cannot be said, for example a ratio to a contestant that was not measured. */
export interface Row {
  name: string;
  connections: number;
  cpuUs: number;
  /** The part of cpuUs that the kernel spent. */
  systemUs: number;
  requestsPerSecond: number;
  p50Us: number;
  p99Us: number;
  errors: number;
  /** CPU per request relative to nginx, to Envoy without a filter, and to Envoy with the same filter. */
  toNginx: number;
  toEnvoy: number;
  toSameInEnvoy: number;
  /** What the filter adds to the same product without one, and the share of requests/s it keeps. */
  addedUs: number;
  keptRequests: number;
}

export function summarize(result: RequestsResult, contestants: Contestant[]): Row[] {
  return result.series.map(series => {
    const contestant = contestants.find(({ name }) => name === series.name);
    const find = (name: string | null | undefined): Sample[] =>
      result.series.find(other => other.name === name && other.connections === series.connections)?.samples ??
      [];
    const bare = find(contestant?.bareName);
    const middle = (field: keyof Sample): number => median(series.samples.map(sample => sample[field]));
    const cpuTo = (references: Sample[], combine: typeof ratio): number =>
      medianWithin(cpu(series.samples), cpu(references), combine);
    return {
      name: series.name,
      connections: series.connections,
      cpuUs: middle('cpuUsPerRequest'),
      systemUs: middle('systemUsPerRequest'),
      requestsPerSecond: middle('requestsPerSecond'),
      p50Us: middle('p50Us'),
      p99Us: middle('p99Us'),
      errors: totalErrors(series),
      toNginx: cpuTo(find('nginx'), ratio),
      toEnvoy: cpuTo(find('envoy'), ratio),
      toSameInEnvoy: cpuTo(find(contestant?.envoyName), ratio),
      addedUs: cpuTo(bare, difference),
      keptRequests: medianWithin(rate(series.samples), rate(bare), ratio),
    };
  });
}

function cpu(samples: Sample[]): number[] {
  return samples.map(sample => sample.cpuUsPerRequest);
}

function rate(samples: Sample[]): number[] {
  return samples.map(sample => sample.requestsPerSecond);
}

function totalErrors(series: Series): number {
  return series.samples.reduce((sum, sample) => sum + sample.errors, 0);
}
