// The command line of the benchmark program and its defaults; what the options do is in the other files.
import { parseArgs } from 'node:util';

/** What can be measured; `--parts` picks some of them. */
export const partNames = ['requests', 'start', 'memory', 'idle', 'workers', 'body'] as const;
export type PartName = (typeof partNames)[number];

export interface Options {
  rounds: number;
  seconds: number;
  warmupSeconds: number;
  connections: number[];
  /** Names of contestants, `*` at the end of a name stands for any rest; empty means all. */
  only: string[];
  parts: PartName[];
  idleConnections: number;
  bodyMib: number;
  generator: 'auto' | 'wrk' | 'own';
}

const usage = `usage: node benchmarks/cpu-per-request.ts [options]

  --rounds N            interleaved rounds per contestant (5)
  --seconds N           seconds of load per contestant and round (4)
  --warmup N            seconds of load before the first round (3)
  --connections A,B     numbers of client connections (32,256)
  --only A,B            these contestants only; "dragoman*" takes all that begin so
  --parts A,B           of ${partNames.join(', ')} (all)
  --idle-connections N  connections held open for the memory of one (8000)
  --body-mib N          size of the body sent to a slow reader (1024)
  --generator NAME      auto, wrk or own (auto: wrk where it is installed)
`;

/** Reads the command line; prints the usage and ends the program where it makes no sense. */
export function readOptions(args: string[]): Options {
  try {
    return parseOptions(args);
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`);
    process.exit(1);
  }
}

function parseOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      help: { type: 'boolean', short: 'h' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '4' },
      warmup: { type: 'string', default: '3' },
      connections: { type: 'string', default: '32,256' },
      only: { type: 'string', default: '' },
      parts: { type: 'string', default: partNames.join(',') },
      'idle-connections': { type: 'string', default: '8000' },
      'body-mib': { type: 'string', default: '1024' },
      generator: { type: 'string', default: 'auto' },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    process.exit(0);
  }
  const parts = list(values.parts);
  for (const part of parts) {
    if (!partNames.includes(part as PartName)) throw new Error(`--parts: there is no part "${part}"`);
  }
  if (!['auto', 'wrk', 'own'].includes(values.generator)) throw new Error('--generator: auto, wrk or own');
  return {
    rounds: positive('--rounds', values.rounds),
    seconds: positive('--seconds', values.seconds),
    warmupSeconds: positive('--warmup', values.warmup),
    connections: list(values.connections).map(text => positive('--connections', text)),
    only: list(values.only),
    parts: parts as PartName[],
    idleConnections: positive('--idle-connections', values['idle-connections']),
    bodyMib: positive('--body-mib', values['body-mib']),
    generator: values.generator as Options['generator'],
  };
}

function list(text: string): string[] {
  return text.split(',').filter(part => part !== '');
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${option}: "${text}" is not a positive whole number`);
  return value;
}
