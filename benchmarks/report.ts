// The printed tables and the result file; figures come in finished, only their form is decided here.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Row } from './summary.ts';

/** A plain text table: the first column to the left, the others to the right, two blanks between. */
export function table(head: string[], rows: string[][]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map(row => row[column]!.length)));
  const line = (cells: string[]): string =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd();
  return [line(head), line(widths.map(width => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

export function requestsTable(rows: Row[], connections: number): string {
  const head = [
    ...[`${connections} connections`, 'us/request', 'of it kernel', 'requests/s', 'p50 ms', 'p99 ms'],
    ...['x nginx', 'x Envoy', 'x same in Envoy', 'filter +us', 'req/s kept', 'errors'],
  ];
  const body = rows
    .filter(row => row.connections === connections)
    .map(row => [
      row.name,
      decimal(row.cpuUs, 1),
      decimal(row.systemUs, 1),
      decimal(row.requestsPerSecond, 0),
      decimal(row.p50Us / 1000, 2),
      decimal(row.p99Us / 1000, 2),
      decimal(row.toNginx, 2),
      decimal(row.toEnvoy, 2),
      decimal(row.toSameInEnvoy, 2),
      decimal(row.addedUs, 1),
      Number.isNaN(row.keptRequests) ? '' : `${decimal(row.keptRequests * 100, 0)} %`,
      row.errors === 0 ? '' : `${row.errors}`,
    ]);
  return table(head, body);
}

/** A number with so many decimals; empty where there is none. */
export function decimal(value: number, decimals: number): string {
  return Number.isNaN(value) ? '' : value.toFixed(decimals);
}

export function mebibytes(bytes: number): string {
  return Number.isNaN(bytes) ? '' : `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}

/** Writes the result as results/TIME.json and results/latest.json; returns the former's path. */
export function writeResult(result: object, time: Date): string {
  const folder = path.join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  const text = `${JSON.stringify(result, null, 2)}\n`;
  const file = path.join(folder, `${time.toISOString().replaceAll(':', '-').slice(0, 19)}.json`);
  writeFileSync(file, text);
  writeFileSync(path.join(folder, 'latest.json'), text);
  return file;
}
