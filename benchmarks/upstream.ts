// Starts the upstream that all contestants share: nginx where it is installed, else responder.ts.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { nginxUpstream } from './nginx-config.ts';
import { type Child, findExecutable, freePort, startProcess, waitUntilServing } from './processes.ts';

export interface Upstream {
  readonly name: string;
  readonly port: number;
  readonly child: Child;
}

export async function startUpstream(folder: string, cores: string | null): Promise<Upstream> {
  const port = await freePort();
  const nginx = findExecutable('nginx');
  const own = path.join(folder, 'upstream');
  mkdirSync(own, { recursive: true });
  let command = [process.execPath, path.join(import.meta.dirname, 'responder.ts'), `${port}`];
  if (nginx !== null) {
    const file = path.join(own, 'nginx.conf');
    writeFileSync(file, nginxUpstream(own, port));
    command = [nginx, '-e', 'stderr', '-c', file];
  }
  const child = startProcess('the upstream', command, cores);
  await waitUntilServing(child, port, 5000);
  return { name: nginx === null ? 'own responder' : 'nginx', port, child };
}
