// Plugins whose code comes from a cluster: fetched and compiled once clusters know their hosts, before workers start.

import { DragomanError, systemClock } from '@dragoman/base';
import { prepareWasmPlugins, RemoteCode } from '@dragoman/filters';
import { type ClusterDirectory, MainThreadClient } from '@dragoman/proxy';
import type { Configuration } from './configuration.ts';
import type { Foundations } from './control-plane.ts';

/**
 * The configuration with the code that could be had; what could not is left to the failure policy of its plugin.
 * @throws DragomanError PLUGIN_CODE with nack_on_code_cache_miss.
 */
export async function withRemotePlugins(
  configuration: Configuration,
  { lane, log: logger }: Pick<Foundations, 'lane' | 'log'>,
  directory: ClusterDirectory,
): Promise<Configuration> {
  const { bootstrap, attachments } = configuration;
  const common = { lane, logger, clock: systemClock };
  const secrets = bootstrap.staticResources?.secrets;
  const client = new MainThreadClient({ ...common, directory, secrets });
  const code = new RemoteCode({ ...common, send: (cluster, request) => client.send(cluster, request) });
  const prepared = await prepareWasmPlugins(bootstrap, {
    ...common,
    previous: attachments,
    fetchCode: source => code.load(source),
  });
  for (const warning of prepared.warnings) logger.log('warning', 'config', warning);
  if (prepared.errors.length > 0) throw new DragomanError('PLUGIN_CODE', prepared.errors.join('; '));
  return { ...configuration, attachments: new Map([...attachments, ...prepared.attachments]) };
}
