// The stats as Prometheus text, with Envoy's names, labels and order. prom-client's own exposition differs from
// Envoy's (HELP lines, no braces without labels), so it only contributes the Node runtime's metrics. Main thread.

import {
  DEFAULT_BOUNDS,
  type HistogramSnapshot,
  QUANTILES,
  type StatKind,
  type StatRow,
  type StatTable,
} from '@dragoman/shm';
import { compileStringMatcher, type NamePredicate, type StringMatcher } from './name-matcher.ts';
import { runtimeMetrics } from './runtime-metrics.ts';
import { type TagConfig, TagExtractor } from './tag-extractor.ts';

/** envoy.config.metrics.v3.StatsConfig, decoded, as far as the exposition goes. */
export interface ExpositionConfig extends TagConfig {
  readonly histogramBucketSettings?: readonly {
    readonly match?: StringMatcher;
    readonly buckets: readonly number[];
  }[];
}

export interface PrometheusQuery {
  readonly usedOnly?: boolean;
  /** Tested against the full stat name. */
  readonly filter?: NamePredicate | null;
  readonly textReadouts?: boolean;
  readonly histogramBuckets?: 'cumulative' | 'summary';
  /** Append the Node runtime's own metrics (nodejs_*, process_*); their names are filtered like the stats'. */
  readonly runtime?: boolean;
}

/** What is computed once per stat name. */
interface Series {
  /** The name without tags: groups are sorted by it. */
  readonly sortKey: string;
  /** '' when the name cannot be a Prometheus name. */
  readonly metric: string;
  /** `a="1",b="2"` */
  readonly labels: string;
  readonly bounds: readonly number[];
}

/** Names under it belong to plugins: they lose it and get no `envoy_`. */
const CUSTOM_NAMESPACE = 'wasmcustom.';

const PHASES: readonly StatKind[] = ['counter', 'gauge', 'text_readout', 'histogram'];

const sanitizeName = (name: string): string => name.replace(/[^a-zA-Z0-9_]/g, '_');
const escapeLabel = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

/** Envoy's metric name for a stat name without tags; '' when it would begin with a digit or be empty. */
export function metricName(name: string): string {
  if (!name.startsWith(CUSTOM_NAMESPACE)) return `envoy_${sanitizeName(name)}`;
  const custom = sanitizeName(name.slice(CUSTOM_NAMESPACE.length));
  return /^[a-zA-Z_]/.test(custom) ? custom : '';
}

export class PrometheusText {
  readonly #table: StatTable;
  readonly #tags: TagExtractor;
  readonly #bounds: { matches: NamePredicate; bounds: readonly number[] }[];
  #series = new Map<string, Series>();

  /** Throws when stats_tags or histogram_bucket_settings are wrong. */
  constructor(table: StatTable, config: ExpositionConfig = {}) {
    this.#table = table;
    this.#tags = new TagExtractor(config);
    this.#bounds = (config.histogramBucketSettings ?? []).map(({ match, buckets }) => ({
      matches: match === undefined ? () => true : compileStringMatcher(match),
      bounds: buckets,
    }));
  }

  async render(query: PrometheusQuery = {}): Promise<string> {
    const runtime = query.runtime ? await runtimeMetrics(query.filter ?? null) : '';
    return this.renderStats(query) + runtime;
  }

  /** The stats alone: what is there without waiting. */
  renderStats({
    usedOnly = false,
    filter = null,
    textReadouts = false,
    histogramBuckets = 'cumulative',
  }: PrometheusQuery): string {
    const groups = new Map<StatKind, Map<string, StatRow[]>>(PHASES.map(kind => [kind, new Map()]));
    const rows = this.#table.rows();
    for (const row of rows) {
      if (usedOnly && !row.used) continue;
      if (filter !== null && !filter(row.name)) continue;
      const group = groups.get(row.kind)!;
      const { sortKey } = this.seriesOf(row.name);
      const members = group.get(sortKey);
      if (members === undefined) group.set(sortKey, [row]);
      else members.push(row);
    }
    if (this.#series.size > 2 * rows.length + 1000) this.#series = new Map();
    const lines: string[] = [];
    for (const kind of PHASES) {
      if (kind === 'text_readout' && !textReadouts) continue;
      const group = groups.get(kind)!;
      for (const sortKey of [...group.keys()].sort())
        this.#renderGroup(lines, kind, group.get(sortKey)!, histogramBuckets);
    }
    return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
  }

  /** Name, labels and bounds of a stat; kept, because extraction runs some forty rules. */
  seriesOf(name: string): Series {
    let series = this.#series.get(name);
    if (series !== undefined) return series;
    const extracted = this.#tags.extract(name);
    series = {
      sortKey: extracted.name,
      metric: metricName(extracted.name),
      labels: extracted.tags.map(tag => `${sanitizeName(tag.name)}="${escapeLabel(tag.value)}"`).join(','),
      bounds: this.boundsOf(name),
    };
    this.#series.set(name, series);
    return series;
  }

  /** Upper bounds of a histogram's buckets, from histogram_bucket_settings or Envoy's default. */
  boundsOf(name: string): readonly number[] {
    return this.#bounds.find(({ matches }) => matches(name))?.bounds ?? DEFAULT_BOUNDS;
  }

  #renderGroup(
    lines: string[],
    kind: StatKind,
    rows: readonly StatRow[],
    buckets: 'cumulative' | 'summary',
  ): void {
    const { metric } = this.seriesOf(rows[0].name);
    if (metric === '') return;
    const type =
      kind === 'text_readout' ? 'gauge' : kind === 'histogram' && buckets === 'summary' ? 'summary' : kind;
    lines.push(`# TYPE ${metric} ${type}`);
    for (const row of rows) {
      const { labels, bounds } = this.seriesOf(row.name);
      if (kind === 'text_readout') {
        lines.push(`${metric}{${labels}${labels && ','}text_value="${escapeLabel(row.text)}"} 0`);
      } else if (row.histogram === null) {
        lines.push(`${metric}{${labels}} ${row.value}`);
      } else if (buckets === 'summary') {
        renderSummary(lines, metric, labels, row.histogram);
      } else {
        renderHistogram(lines, metric, labels, bounds, row.histogram);
      }
    }
  }
}

function renderHistogram(
  lines: string[],
  metric: string,
  labels: string,
  bounds: readonly number[],
  { cumulative }: HistogramSnapshot,
): void {
  const first = labels && `${labels},`;
  const counts = cumulative.cumulativeCounts(bounds);
  for (let i = 0; i < bounds.length; i++)
    lines.push(`${metric}_bucket{${first}le="${bounds[i]}"} ${counts[i]}`);
  lines.push(`${metric}_bucket{${first}le="+Inf"} ${cumulative.count}`);
  lines.push(`${metric}_sum{${labels}} ${cumulative.sum}`, `${metric}_count{${labels}} ${cumulative.count}`);
}

function renderSummary(lines: string[], metric: string, labels: string, histogram: HistogramSnapshot): void {
  const first = labels && `${labels},`;
  const values = histogram.interval.quantiles();
  for (let i = 0; i < QUANTILES.length; i++)
    lines.push(`${metric}{${first}quantile="${QUANTILES[i]}"} ${values[i]}`);
  const { sum, count } = histogram.cumulative;
  lines.push(`${metric}_sum{${labels}} ${sum}`, `${metric}_count{${labels}} ${count}`);
}
