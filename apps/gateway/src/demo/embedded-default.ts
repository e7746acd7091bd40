// What the gateway does when it is started without a configuration: the example of examples/default with the demo
// upstream on a thread of its own.

import { resolve } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Embedded } from '../application.ts';
import type { Settings } from '../command-line.ts';

/** As in examples/default/envoy.yaml. */
const DEMO_PORT = 10_080;
const CONFIG_PATH = 'examples/default/envoy.yaml';

/** Starts the demo upstream and points the settings to the example; rejects when its port is taken. */
export async function embeddedDefault(settings: Settings): Promise<Embedded> {
  // The example names its plugin by a path from the root of the checkout.
  process.chdir(resolve(import.meta.dirname, '../../../..'));
  await startDemoThread();
  return {
    // The log would drown what a newcomer is to see; -l brings it back.
    settings: {
      ...settings,
      configPath: CONFIG_PATH,
      logLevel: settings.logLevel === 'info' ? 'warning' : settings.logLevel,
    },
    async announce(controlPlane, readyMs) {
      const { greeting } = await import('../greeting.ts');
      const { bootstrap, listeners } = controlPlane;
      process.stdout.write(greeting({ bootstrap, listeners, readyMs, concurrency: settings.concurrency }));
    },
  };
}

function startDemoThread(): Promise<void> {
  const extension = import.meta.filename.slice(-3);
  const thread = new Worker(new URL(`./demo-upstream${extension}`, import.meta.url), {
    workerData: { demoPort: DEMO_PORT },
  });
  thread.unref();
  return new Promise((done, failed) => {
    thread.once('message', answer => {
      if (answer === 'listening') done();
      else failed(new Error(`the demo upstream cannot listen on port ${DEMO_PORT}: ${answer}`));
    });
    thread.once('error', failed);
  });
}
