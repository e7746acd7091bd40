// How inspections and measurements look on a terminal.

import type { Benchmark } from './benchmark.ts';
import type { Inspection } from './inspection.ts';

/** Sizes as people say them. */
export function bytesText(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

/** Times as people say them. */
export function timeText(nanoseconds: number): string {
  if (nanoseconds < 1000) return `${nanoseconds.toFixed(0)} ns`;
  return nanoseconds < 1e6 ? `${(nanoseconds / 1000).toFixed(1)} us` : `${(nanoseconds / 1e6).toFixed(1)} ms`;
}

export function inspectionText(file: string, inspection: Inspection): string {
  const { abiVersion, callbacks, imports, initialMemoryBytes, otherExports } = inspection;
  const { sizeBytes, toolchain, unlimitedBecause } = inspection;
  const unknown = imports.filter(({ known }) => !known);
  return [
    file,
    `  size       ${bytesText(sizeBytes)}`,
    `  ABI        ${abiVersion}`,
    `  toolchain  ${toolchain}`,
    `  memory     ${bytesText(initialMemoryBytes)} at the start`,
    `  limits     ${unlimitedBecause ?? 'time and memory can be limited'}`,
    `  callbacks  ${wrapped(callbacks)}`,
    `  exports    ${wrapped(otherExports)}`,
    `  imports    ${wrapped(imports.filter(({ known }) => known).map(({ name }) => name))}`,
    ...(unknown.length === 0 ? [] : ['  unknown    traps when it calls one of these:']),
    ...unknown.map(({ name, type }) => `             ${name} (${type})`),
    '',
  ].join('\n');
}

function wrapped(names: readonly string[]): string {
  return names.length === 0 ? 'none' : names.join('\n             ');
}

export function benchmarkText(
  file: string,
  { callbacks, requests, request, startMs, memoryBytes }: Benchmark,
): string {
  const rows = callbacks.map(({ calls, name, nanoseconds }) => [name, timeText(nanoseconds), String(calls)]);
  const width = Math.max('callback'.length, ...rows.map(([name]) => name!.length));
  const line = ([name, time, calls]: readonly string[]) =>
    `  ${name!.padEnd(width)}  ${time!.padStart(9)}  ${calls!.padStart(10)}`;
  return [
    `${file}: ${requests} requests`,
    line(['callback', 'time', 'host calls']),
    ...rows.map(line),
    `  a request with its response: ${timeText(request.nanoseconds)}, ${bytesText(request.garbageBytes)} of garbage on the host`,
    `  start: ${startMs.toFixed(1)} ms; memory of the guest: ${bytesText(memoryBytes)}`,
    '',
  ].join('\n');
}
