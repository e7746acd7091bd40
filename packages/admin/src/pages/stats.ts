// /stats in its forms, /stats/prometheus, /reset_counters and /stats/recentlookups.

import type { NamePredicate } from '@dragoman/metrics';
import { type HistogramStatistics, QUANTILES, type StatKind, type StatRow } from '@dragoman/shm';
import type { AdminContext } from '../context.ts';
import type { Query } from '../query.ts';
import { type AdminReply, type AdminRequest, HTML, JSON_TYPE, ok, TEXT, text } from '../reply.ts';
import { escapeHtml, htmlPage } from './home.ts';
import { nameFilter } from './name-filter.ts';

const BUCKET_MODES = ['cumulative', 'disjoint', 'detailed', 'summary'] as const;
type BucketMode = (typeof BUCKET_MODES)[number];

const FORMATS = ['html', 'active-html', 'json', 'prometheus', 'text'] as const;
type Format = (typeof FORMATS)[number];

const TYPES: Readonly<Record<string, readonly StatKind[]>> = {
  All: ['text_readout', 'counter', 'gauge', 'histogram'],
  Counters: ['counter'],
  Gauges: ['gauge'],
  Histograms: ['histogram'],
  TextReadouts: ['text_readout'],
};

interface StatsParameters {
  readonly usedOnly: boolean;
  readonly filter: NamePredicate | null;
  readonly buckets: BucketMode;
  readonly kinds: readonly StatKind[];
  readonly format: Format;
}

/** The parameters, or what is wrong with them. */
function parametersOf(query: Query): StatsParameters | string {
  const filter = nameFilter(query);
  if (typeof filter === 'string') return filter;
  const buckets = query.get('histogram_buckets') ?? 'summary';
  if (!BUCKET_MODES.includes(buckets as BucketMode))
    return `usage: /stats?histogram_buckets=(${BUCKET_MODES.join('|')})\n`;
  const kinds = TYPES[query.get('type') ?? 'All'];
  if (kinds === undefined) return 'invalid &type= param';
  const format = query.get('format') ?? 'text';
  if (!FORMATS.includes(format as Format)) return `usage: /stats?format=(${FORMATS.join('|')})\n\n`;
  return {
    usedOnly: query.has('usedonly'),
    filter,
    buckets: buckets as BucketMode,
    kinds,
    format: format as Format,
  };
}

export function statsPage(context: AdminContext, request: AdminRequest): AdminReply | Promise<AdminReply> {
  const parameters = parametersOf(request.query);
  if (typeof parameters === 'string') return text(parameters, 400);
  if (parameters.format === 'prometheus') return prometheusPage(context, request);
  context.refreshStats();
  const { usedOnly, filter, kinds, buckets } = parameters;
  const rows = context.stats
    .rows()
    .filter(
      row => kinds.includes(row.kind) && !(usedOnly && !row.used) && (filter === null || filter(row.name)),
    );
  if (parameters.format === 'json')
    return { status: 200, contentType: JSON_TYPE, body: statsJson(context, rows, buckets) };
  const plain = statsText(context, rows, buckets);
  if (parameters.format === 'text') return text(plain);
  return { status: 200, contentType: HTML, body: htmlPage('stats', `<pre>\n${escapeHtml(plain)}</pre>`) };
}

export async function prometheusPage(
  context: AdminContext,
  { path, query }: AdminRequest,
): Promise<AdminReply> {
  const filter = nameFilter(query);
  if (typeof filter === 'string') return text(filter, 400);
  const buckets = query.get('histogram_buckets') ?? 'cumulative';
  if (buckets !== 'cumulative' && buckets !== 'summary')
    return text('usage: /stats/prometheus?histogram_buckets=(cumulative|summary)\n', 400);
  context.refreshStats();
  const body = await context.prometheus.render({
    usedOnly: query.has('usedonly'),
    filter,
    textReadouts: query.has('text_readouts'),
    histogramBuckets: buckets,
    runtime: path === '/stats/prometheus',
  });
  return { status: 200, contentType: TEXT, body };
}

export function resetCountersPage(context: AdminContext): AdminReply {
  context.stats.resetCounters();
  return ok();
}

/** Stats here have no lookups by name on the request path, so there is never one to show. */
export const recentLookupsPage = (): AdminReply =>
  text('Lookup tracking is not enabled. Use /stats/recentlookups/enable to enable.\n\ntotal: 0\n');

export const recentLookupsChange = (): AdminReply => ok();

/** fmt's shortest form of a number. */
const number = (value: number): string => (Number.isNaN(value) ? 'nan' : String(value));

function statsText(context: AdminContext, rows: readonly StatRow[], mode: BucketMode): string {
  let texts = '';
  let values = '';
  let histograms = '';
  for (const row of rows) {
    if (row.kind === 'text_readout') texts += `${row.name}: "${row.text}"\n`;
    else if (row.histogram === null) values += `${row.name}: ${row.value}\n`;
    else histograms += histogramText(context, row, mode);
  }
  return texts + values + histograms;
}

function quantileSummary(row: StatRow): string {
  const interval = row.histogram!.interval.quantiles();
  const cumulative = row.histogram!.cumulative.quantiles();
  return QUANTILES.map(
    (quantile, i) => `P${number(quantile * 100)}(${number(interval[i])},${number(cumulative[i])})`,
  ).join(' ');
}

const disjoint = (counts: readonly number[]): number[] =>
  counts.map((count, i) => count - (counts[i - 1] ?? 0));

/** Interval and cumulative counts at each bound. */
function bucketCounts(
  context: AdminContext,
  row: StatRow,
  mode: BucketMode,
): [bounds: readonly number[], number[], number[]] {
  const bounds = context.prometheus.boundsOf(row.name);
  const interval = row.histogram!.interval.cumulativeCounts(bounds);
  const cumulative = row.histogram!.cumulative.cumulativeCounts(bounds);
  return mode === 'disjoint'
    ? [bounds, disjoint(interval), disjoint(cumulative)]
    : [bounds, interval, cumulative];
}

const detailText = (statistics: HistogramStatistics): string =>
  statistics
    .detailed()
    .map(bucket => `${bucket.lowerBound},${bucket.width}:${bucket.count}`)
    .join(', ');

function histogramText(context: AdminContext, row: StatRow, mode: BucketMode): string {
  if (!row.used) return `${row.name}: No recorded values\n`;
  if (mode === 'summary') return `${row.name}: ${quantileSummary(row)}\n`;
  if (mode === 'detailed') {
    const { interval, cumulative } = row.histogram!;
    return `${row.name}:\n  totals=${detailText(cumulative)}\n  intervals=${detailText(interval)}\n  summary=${quantileSummary(row)}\n`;
  }
  const [bounds, interval, cumulative] = bucketCounts(context, row, mode);
  return `${row.name}: ${bounds.map((bound, i) => `B${bound}(${interval[i]},${cumulative[i]})`).join(' ')}\n`;
}

function statsJson(context: AdminContext, rows: readonly StatRow[], mode: BucketMode): string {
  const stats: unknown[] = [];
  for (const row of rows) if (row.kind === 'text_readout') stats.push({ name: row.name, value: row.text });
  for (const row of rows)
    if (row.kind === 'counter' || row.kind === 'gauge') stats.push({ name: row.name, value: row.value });
  const histograms = rows.filter(row => row.histogram !== null);
  if (histograms.length > 0) stats.push({ histograms: histogramsJson(context, histograms, mode) });
  return JSON.stringify({ stats });
}

/** Not a number becomes null in JSON, as Envoy has it. */
function quantilePairs(row: StatRow): unknown[] {
  const interval = row.histogram!.interval.quantiles();
  return row
    .histogram!.cumulative.quantiles()
    .map((cumulative, i) => ({ cumulative, interval: interval[i] }));
}

const detailJson = (statistics: HistogramStatistics): unknown[] =>
  statistics.detailed().map(({ lowerBound, width, count }) => ({ lower_bound: lowerBound, width, count }));

function histogramsJson(context: AdminContext, rows: readonly StatRow[], mode: BucketMode): unknown {
  const percentiles = QUANTILES.map(quantile => quantile * 100);
  if (mode === 'summary')
    return {
      supported_quantiles: percentiles,
      computed_quantiles: rows.map(row => ({ name: row.name, values: quantilePairs(row) })),
    };
  if (mode === 'detailed')
    return {
      supported_percentiles: percentiles,
      details: rows.map(row => ({
        name: row.name,
        totals: detailJson(row.histogram!.cumulative),
        intervals: detailJson(row.histogram!.interval),
        percentiles: quantilePairs(row),
      })),
    };
  return rows.map(row => {
    const [bounds, interval, cumulative] = bucketCounts(context, row, mode);
    const buckets = bounds.map((bound, i) => ({
      upper_bound: bound,
      interval: interval[i],
      cumulative: cumulative[i],
    }));
    return { name: row.name, buckets };
  });
}
