// The program of every worker thread: a WorkerServer and its line to the main thread. Nothing is decided here.

import {
  accessLogTypes,
  type CodeByKey,
  GUARD_ATTACHMENT,
  httpFilterTypes,
  networkFilterTypes,
  replacePluginCode,
  wasmServiceType,
  wasmStatsSinkType,
} from '@dragoman/filters';
import type { WorkerChannel } from '@dragoman/pool';
import type { ClusterUpdate, DrainPlan, Snapshot, WorkerExtensionType } from '@dragoman/proxy';
import { WorkerServer } from '@dragoman/proxy';
import { StatLane } from '@dragoman/shm';
import { Guard } from '@dragoman/vm';
import type { LogLevelTable } from './logging/log-levels.ts';
import { LogWriter } from './logging/log-writer.ts';
import { REPORT_EVENT, type WorkerData } from './worker-contract.ts';

export default function serve(channel: WorkerChannel<WorkerData>): void {
  const { lane, log, guardMemory, ...settings } = channel.data;
  const guard = new Guard(guardMemory);
  const logger = new LogWriter(log);
  // The thread behind the workers is there for the services of which there is one.
  const alone = settings.workerIndex >= settings.concurrency;
  const ownLane = new StatLane(lane);
  const server = new WorkerServer({
    ...settings,
    lane: ownLane,
    logger,
    filterTypes: httpFilterTypes,
    networkFilterTypes,
    accessLogTypes,
    extensionTypes: [wasmServiceType(alone), wasmStatsSinkType(alone)] as WorkerExtensionType[],
    report: report => channel.emit(REPORT_EVENT, report),
  });
  channel.serve({
    apply: (snapshot: Snapshot) =>
      server.applySnapshot({
        ...snapshot,
        attachments: new Map([...snapshot.attachments, [GUARD_ATTACHMENT, guard]]),
      }),
    update: (update: ClusterUpdate) => server.applyClusterUpdate(update),
    runtime: (merged: ReadonlyMap<string, unknown>) => server.setRuntime(merged),
    'reload-tls': () => server.reloadTls(),
    'replace-plugin-code': (codes: CodeByKey) => replacePluginCode(ownLane, codes),
    'stop-listeners': (inboundOnly: boolean) => server.stopListeners(inboundOnly),
    'start-drain': (plan: DrainPlan) => server.startDrain(plan),
    'set-draining': (draining: boolean) => server.setDraining(draining),
    'collect-garbage': () => server.collectGarbage(),
    stats: (update: Uint8Array) => server.onStats(update),
    drain: () => server.drain(),
    close: () => server.close(),
    'log-levels': (levels: LogLevelTable) => logger.levels.assign(levels),
    'reopen-logs'(fd: number) {
      logger.redirect(fd);
      server.reopenLogs();
    },
  });
}
