// --mode validate: says whether a configuration would be accepted, for people or (--format json) for tools.

import { formatConfigError } from '@dragoman/config';
import type { Settings } from './command-line.ts';
import { readConfiguration } from './configuration.ts';
import type { LogWriter } from './logging/log-writer.ts';

/** The exit status: 0 when the configuration would be accepted. */
export async function validate(settings: Settings, logger: LogWriter): Promise<number> {
  const { errors, warnings } = await readConfiguration(settings, { logger, tryPlugins: true });
  const name = settings.configPath ?? '';
  if (settings.outputFormat === 'json') {
    const answer = { ok: errors.length === 0, errors, warnings };
    process.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
    return errors.length === 0 ? 0 : 1;
  }
  for (const warning of warnings) process.stderr.write(`warning: ${formatConfigError(warning)}\n`);
  for (const error of errors)
    process.stderr.write(`error initializing configuration '${name}': ${formatConfigError(error)}\n`);
  if (errors.length > 0) return 1;
  process.stdout.write(`configuration '${name}' OK\n`);
  return 0;
}
