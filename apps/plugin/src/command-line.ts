// The command line of dragoman-plugin: three commands, and what their exit codes say.

import { readFileSync } from 'node:fs';
import { DragomanError } from '@dragoman/base';
import { Command, CommanderError, Option } from 'commander';
import { benchmark } from './benchmark.ts';
import { inspect } from './inspection.ts';
import { benchmarkText, inspectionText } from './report.ts';
import { readScenarios, ScenarioError } from './scenario.ts';
import { runScenarios } from './scenario-run.ts';
import { runText } from './transcript.ts';

/** Exit codes: for scripts and CI. */
const ExitCode = { Ok: 0, Failed: 1, Unusable: 2 } as const;

type Write = (text: string) => unknown;
interface Common {
  readonly format: 'text' | 'json';
}

/** Runs the command that `argv` names; its exit code. */
export async function runCommand(argv: readonly string[], out: Write, err: Write): Promise<number> {
  let exitCode: number = ExitCode.Ok;
  const program = new Command('dragoman-plugin')
    .description('Looks into Proxy-Wasm plugins, runs and tests them without a proxy, and measures them.')
    .configureOutput({ writeOut: text => out(text), writeErr: text => err(text) })
    .addHelpText(
      'after',
      '\nExit codes: 0 all is well, 1 an expectation failed, 2 wrong usage or a file that cannot be used.',
    )
    .exitOverride();
  const format = () =>
    new Option('--format <format>', 'how to answer').choices(['text', 'json']).default('text');
  const command = (usage: string, description: string) =>
    program.command(usage).description(description).addOption(format()).copyInheritedSettings(program);

  command('inspect <file>', 'what a module is: ABI version, imports, exports, memory, toolchain')
    .option('--strict', 'fail when it imports what Dragoman does not offer')
    .action((file: string, options: Common & { strict?: boolean }) => {
      const inspection = inspect(readFileSync(file));
      out(
        options.format === 'json'
          ? `${JSON.stringify(inspection, null, 2)}\n`
          : inspectionText(file, inspection),
      );
      if (options.strict && inspection.imports.some(({ known }) => !known)) exitCode = ExitCode.Failed;
    });
  command(
    'run <file> <requests>',
    'sends the requests of a YAML file through a plugin and shows every host call',
  )
    .alias('test')
    .option('-q, --quiet', 'show only what failed')
    .action(async (file: string, requests: string, options: Common & { quiet?: boolean }) => {
      const scenarios = readScenarios(readFileSync(requests, 'utf8'), requests);
      const result = await runScenarios(readFileSync(file), scenarios);
      out(
        options.format === 'json'
          ? `${JSON.stringify(result, null, 2)}\n`
          : runText(result, options.quiet ?? false),
      );
      if (result.failures > 0) exitCode = ExitCode.Failed;
    });
  command('bench <file>', 'nanoseconds and bytes per callback')
    .option('--configuration <text>', 'of the plugin', '')
    .option('--root-id <id>', 'of the plugin', '')
    .option('--requests <n>', 'requests of a round', '5000')
    .action(
      async (file: string, options: Common & { configuration: string; rootId: string; requests: string }) => {
        const requests = Number(options.requests);
        if (!Number.isInteger(requests) || requests < 1)
          throw new ScenarioError('--requests: expected a whole number from 1');
        const result = await benchmark(readFileSync(file), { ...options, requests });
        out(options.format === 'json' ? `${JSON.stringify(result, null, 2)}\n` : benchmarkText(file, result));
      },
    );
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Ok : ExitCode.Unusable;
    err(`dragoman-plugin: ${describe(error)}\n`);
    return ExitCode.Unusable;
  }
  return exitCode;
}

/** What is wrong with the user's files; a mistake of ours keeps its stack. */
function describe(error: unknown): string {
  if (error instanceof ScenarioError || error instanceof DragomanError) return error.message;
  const { code, message, stack } = error as NodeJS.ErrnoException;
  return code?.startsWith('E') && !code.startsWith('ERR_') ? message : (stack ?? message);
}
