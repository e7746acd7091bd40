// The endpoints of the admin interface: paths, help texts and parameters as /help lists them, and who answers.

import type { AdminContext } from './context.ts';
import { clustersPage, listenersPage } from './pages/clusters.ts';
import { configDumpPage } from './pages/config-dump.ts';
import { homePage } from './pages/home.ts';
import { loggingPage, reopenLogsPage } from './pages/logging.ts';
import * as server from './pages/server.ts';
import * as stats from './pages/stats.ts';
import { type AdminReply, type AdminRequest, text } from './reply.ts';

export interface Parameter {
  readonly id: string;
  readonly kind: 'boolean' | 'string' | 'choice';
  readonly help: string;
  /** Of a choice. */
  readonly choices: readonly string[];
}

export interface Endpoint {
  readonly path: string;
  readonly help: string;
  /** Needs POST. */
  readonly mutates: boolean;
  readonly parameters: readonly Parameter[];
  readonly answer: (context: AdminContext, request: AdminRequest) => AdminReply | Promise<AdminReply>;
}

const boolean = (id: string, help: string): Parameter => ({ id, kind: 'boolean', help, choices: [] });
const string = (id: string, help: string): Parameter => ({ id, kind: 'string', help, choices: [] });
const choice = (id: string, help: string, ...choices: string[]): Parameter => ({
  id,
  kind: 'choice',
  help,
  choices,
});

const get = (
  path: string,
  help: string,
  answer: Endpoint['answer'],
  ...parameters: Parameter[]
): Endpoint => ({
  ...{ path, help, answer, parameters },
  mutates: false,
});
const post = (
  path: string,
  help: string,
  answer: Endpoint['answer'],
  ...parameters: Parameter[]
): Endpoint => ({
  ...{ path, help, answer, parameters },
  mutates: true,
});

const USED_ONLY = boolean('usedonly', 'Only include stats that have been written by system since restart');
const STATS_FILTER = string('filter', 'Regular expression (Google re2) for filtering stats');
const INVERT_FILTER = boolean('invert_filter', 'Invert the filter regex');
const HISTOGRAM_HELP = 'Histogram bucket display mode';

/** Sorted by path. */
export const ENDPOINTS: readonly Endpoint[] = [
  get('/', 'Admin home page', () => homePage(ENDPOINTS)),
  post(
    '/allocprofiler',
    'enable/disable the allocation profiler (if supported)',
    server.allocationProfilerPage,
    choice('enable', 'enable/disable the allocation profiler', 'y', 'n'),
  ),
  get('/certs', 'print certs on machine', server.certsPage),
  get(
    '/clusters',
    'upstream cluster status',
    clustersPage,
    string('filter', 'Regular expression (Google re2) for filtering clusters by name'),
  ),
  get(
    '/config_dump',
    'dump current Envoy configs',
    configDumpPage,
    string('resource', 'The resource to dump'),
    string(
      'mask',
      'The mask to apply. When both resource and mask are specified, the mask is applied to every element in the desired repeated field so that only a subset of fields are returned. The mask is parsed as a Protobuf::FieldMask',
    ),
    string(
      'name_regex',
      'Dump only the currently loaded configurations whose names match the specified regex. Can be used with both resource and mask query parameters.',
    ),
    boolean(
      'include_eds',
      'Dump currently loaded configuration including EDS. See the response definition for more information',
    ),
  ),
  get('/contention', 'dump current Envoy mutex contention stats (if enabled)', server.contentionPage),
  post(
    '/cpuprofiler',
    'enable/disable the CPU profiler',
    server.cpuProfilerPage,
    choice('enable', 'enables the CPU profiler', 'y', 'n'),
  ),
  post(
    '/drain_listeners',
    'drain listeners',
    server.drainListenersPage,
    boolean(
      'graceful',
      'When draining listeners, enter a graceful drain period prior to closing listeners. This behaviour and duration is configurable via server options or CLI',
    ),
    boolean(
      'skip_exit',
      'When draining listeners, drain the connections but never stop the listeners. The graceful parameter has no effect when this is set, since the drain period only delays stopping the listeners',
    ),
    boolean(
      'inboundonly',
      'Drains all inbound listeners. traffic_direction field in envoy_v3_api_msg_config.listener.v3.Listener is used to determine whether a listener is inbound or outbound.',
    ),
  ),
  post('/healthcheck/fail', 'cause the server to fail health checks', server.healthCheckFailPage),
  post('/healthcheck/ok', 'cause the server to pass health checks', server.healthCheckOkPage),
  get('/heap_dump', 'dump current Envoy heap (if supported)', server.heapProfilerPage),
  post(
    '/heapprofiler',
    'enable/disable the heap profiler',
    server.heapProfilerPage,
    choice('enable', 'enable/disable the heap profiler', 'y', 'n'),
  ),
  get('/help', 'print out list of admin commands', () => text(helpText())),
  get('/hot_restart_version', 'print the hot restart compatibility version', server.hotRestartVersionPage),
  get(
    '/init_dump',
    'dump current Envoy init manager information (experimental)',
    server.initDumpPage,
    string(
      'mask',
      'The desired component to dump unready targets. The mask is parsed as a Protobuf::FieldMask. For example, get the unready targets of all listeners with /init_dump?mask=listener`',
    ),
  ),
  get(
    '/listeners',
    'print listener info',
    listenersPage,
    choice('format', 'File format to use', 'text', 'json'),
  ),
  post(
    '/logging',
    'query/change logging levels',
    loggingPage,
    string(
      'paths',
      'Change multiple logging levels by setting to <logger_name1>:<desired_level1>,<logger_name2>:<desired_level2>. If fine grain logging is enabled, use __FILE__ or a glob experision as the logger name. For example, source/common*:warning',
    ),
    string(
      'group',
      'Change given logger group to desired level, set to <logger_group_name>:<desired_level>. logger_group_name must be a logger name.',
    ),
    choice(
      'level',
      "desired logging level, this will change all loggers's level",
      ...['', 'trace', 'debug', 'info', 'warning', 'error', 'critical', 'off'],
    ),
  ),
  get('/memory', 'print current allocation/heap usage', server.memoryPage),
  get('/memory/tcmalloc', 'print TCMalloc stats', server.tcmallocPage),
  get('/peak_heap_dump', 'dump peak Envoy heap (if supported)', server.heapProfilerPage),
  post('/quitquitquit', 'exit the server', server.quitPage),
  get('/ready', 'print server state, return 200 if LIVE, otherwise return 503', server.readyPage),
  post('/reopen_logs', 'reopen access logs', reopenLogsPage),
  post('/reset_counters', 'reset all counters to zero', stats.resetCountersPage),
  get('/runtime', 'print runtime values', server.runtimePage),
  post(
    '/runtime_modify',
    'Adds or modifies runtime values as passed in query parameters. To delete a previously added key, use an empty string as the value. Note that deletion only applies to overrides added via this endpoint; values loaded from disk can be modified via override but not deleted. E.g. ?key1=value1&key2=value2...',
    server.runtimeModifyPage,
  ),
  get('/server_info', 'print server version/status information', server.serverInfoPage),
  get(
    '/stats',
    'print server stats',
    stats.statsPage,
    ...[USED_ONLY, STATS_FILTER, INVERT_FILTER],
    choice('format', 'Format to use', 'html', 'active-html', 'text', 'json'),
    choice('type', 'Stat types to include.', 'All', 'Counters', 'Histograms', 'Gauges', 'TextReadouts'),
    choice('histogram_buckets', HISTOGRAM_HELP, 'cumulative', 'disjoint', 'detailed', 'summary'),
  ),
  get(
    '/stats/prometheus',
    'print server stats in prometheus format',
    stats.prometheusPage,
    USED_ONLY,
    boolean(
      'text_readouts',
      'Render text_readouts as new gaugues with value 0 (increases Prometheus data size)',
    ),
    ...[STATS_FILTER, INVERT_FILTER],
    choice('histogram_buckets', HISTOGRAM_HELP, 'cumulative', 'summary'),
  ),
  get('/stats/recentlookups', 'Show recent stat-name lookups', stats.recentLookupsPage),
  post(
    '/stats/recentlookups/clear',
    'clear list of stat-name lookups and counter',
    stats.recentLookupsChange,
  ),
  post(
    '/stats/recentlookups/disable',
    'disable recording of reset stat-name lookup names',
    stats.recentLookupsChange,
  ),
  post(
    '/stats/recentlookups/enable',
    'enable recording of reset stat-name lookup names',
    stats.recentLookupsChange,
  ),
];

/** Envoy's list of commands. */
export function helpText(): string {
  let help = 'admin commands are:\n';
  for (const endpoint of ENDPOINTS) {
    help += `  ${endpoint.path}${endpoint.mutates ? ' (POST)' : ''}: ${endpoint.help}\n`;
    for (const { id, help: meaning, kind, choices } of endpoint.parameters)
      help += `      ${id}: ${meaning}${kind === 'choice' ? `; One of (${choices.join(', ')})` : ''}\n`;
  }
  return help;
}
