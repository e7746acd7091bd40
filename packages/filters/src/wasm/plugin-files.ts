// The files that the configuration gives a plugin: read by the main thread while it prepares a configuration, posted to the
// workers, and shown to the guest in a read-only directory. Nothing is read while requests are served.

import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { PluginStartError } from '@dragoman/vm';

/** Contents by path in the guest; an attachment of the configuration. */
export interface PluginFiles {
  /** SHA-256 of all paths and contents, hexadecimal. */
  readonly sha256: string;
  readonly contents: ReadonlyMap<string, Uint8Array>;
}

/** A plugin's files are kept in memory by every worker. */
const MAX_FILES_BYTES = 64 * 1024 * 1024;

/** Key among the attachments; plugins with the same files share them. */
export const filesKey = (paths: Readonly<Record<string, string>>): string =>
  `wasm:files:${JSON.stringify(Object.entries(paths).sort())}`;

/** Throws PluginStartError naming the file that cannot be read. */
export async function readPluginFiles(paths: Readonly<Record<string, string>>): Promise<PluginFiles> {
  const contents = new Map<string, Uint8Array>();
  const hash = createHash('sha256');
  let bytes = 0;
  for (const [guestPath, hostPath] of Object.entries(paths).sort()) {
    const content = await readOne(guestPath, hostPath);
    bytes += content.length;
    if (bytes > MAX_FILES_BYTES) {
      throw new PluginStartError(
        `its files are larger than ${MAX_FILES_BYTES / 2 ** 20} MiB together (with ${hostPath})`,
      );
    }
    contents.set(guestPath, content);
    hash.update(`${guestPath}\0${content.length}\0`).update(content);
  }
  return { sha256: hash.digest('hex'), contents };
}

async function readOne(guestPath: string, hostPath: string): Promise<Uint8Array> {
  try {
    return await readFile(hostPath);
  } catch (cause) {
    const { message } = cause as Error;
    throw new PluginStartError(`cannot read the file for its ${guestPath}: ${message}`, { cause });
  }
}
