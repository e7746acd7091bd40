import assert from 'node:assert/strict';
import { openSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { silentLogger, systemClock } from '@dragoman/base';
import { ClusterDirectory, clusterResolvers } from '@dragoman/proxy';
import { StatLane } from '@dragoman/shm';
import { RawConnection } from '@dragoman/testkit';
import { parseCommandLine } from './command-line.ts';
import { readConfiguration } from './configuration.ts';
import { DEFAULT_LOG_FORMAT } from './logging/log-format.ts';
import { LogLevels } from './logging/log-levels.ts';
import { LogWriter } from './logging/log-writer.ts';
import { VisibleStats } from './visible-stats.ts';
import { type FleetOwner, WorkerFleet } from './worker-fleet.ts';

const CONFIG = `
static_resources:
  listeners:
  - name: main
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          route_config:
            virtual_hosts:
            - { name: all, domains: ["*"], routes: [{ match: { prefix: "/" }, direct_response: { status: 200 } }] }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
`;

interface Running {
  readonly fleet: WorkerFleet;
  readonly stats: VisibleStats;
  readonly port: number;
  /** Resolves with the index of the next worker that has been replaced. */
  readonly replaced: Promise<number>;
  readonly deaths: number[];
}

async function start(t: TestContext, concurrency: number): Promise<Running> {
  const line = parseCommandLine('test', ['--config-yaml', CONFIG, '--concurrency', String(concurrency)]);
  assert.ok('settings' in line);
  const log = new LogWriter({
    fd: openSync('/dev/null', 'a'),
    format: DEFAULT_LOG_FORMAT,
    formatEscaped: false,
    levels: LogLevels.all('off').table,
  });
  const { configuration, errors } = await readConfiguration(line.settings, {
    logger: log,
    tryPlugins: false,
  });
  assert.deepEqual(errors, []);
  const { bootstrap, attachments } = configuration!;
  const stats = new VisibleStats();
  const fleet = new WorkerFleet(line.settings, stats, log);
  t.after(() => fleet.close());
  const directory = new ClusterDirectory({
    ...{ concurrency, clock: systemClock, logger: silentLogger, random: Math.random },
    lane: new StatLane(StatLane.create()),
    resolverFor: clusterResolvers(),
    post: update => fleet.post(update),
    statValue: name => stats.value(name),
  });
  const { promise: replaced, resolve } = Promise.withResolvers<number>();
  const deaths: number[] = [];
  const owner: FleetOwner = {
    onReport: () => {},
    onWorkerDeath: index => deaths.push(index),
    onWorkerReplaced: resolve,
    currentSnapshot: () => ({
      ...{ version: 1, bootstrap, attachments, runtime: new Map(), boundPorts: {} },
      clusters: directory.serve(),
    }),
  };
  const [bound] = await fleet.start(owner);
  return { fleet, stats, port: bound!.port, replaced, deaths };
}

async function statusOf(port: number): Promise<string> {
  const client = await RawConnection.connect(port);
  client.send('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
  const { startLine } = await client.readMessage();
  client.close();
  return startLine;
}

test('a killed worker is replaced on the same port, and what it had counted stays', async t => {
  const { fleet, stats, port, replaced, deaths } = await start(t, 1);
  assert.equal(await statusOf(port), 'HTTP/1.1 200 OK');
  fleet.terminate(0);
  assert.equal(await replaced, 0);
  assert.deepEqual(deaths, [0]);
  assert.equal(await statusOf(port), 'HTTP/1.1 200 OK');
  assert.equal(stats.snapshot().counters.get('http.ingress.downstream_rq_total'), 2);
});

test('while one worker is replaced the others serve', async t => {
  const { fleet, port, replaced } = await start(t, 2);
  const kept = await Promise.all(Array.from({ length: 16 }, () => RawConnection.connect(port)));
  fleet.terminate(1);
  for (const client of kept) client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  const answers = await Promise.allSettled(kept.map(client => client.readMessage()));
  const served = answers.filter(answer => answer.status === 'fulfilled').length;
  // The system spreads connections by hash: all sixteen on the dead worker is one chance in 65536.
  assert.ok(served > 0, `${served} of 16`);
  await replaced;
  for (let i = 0; i < 16; i++) assert.equal(await statusOf(port), 'HTTP/1.1 200 OK');
  for (const client of kept) client.close();
});
