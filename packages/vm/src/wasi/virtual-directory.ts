// A read-only tree of files in memory, made of paths and contents, and the descriptors a guest has opened in it. Nothing
// in here knows the machine's own files: a path leads into the tree or nowhere.

import { Errno } from '@dragoman/abi';

/** A guest that forgets to close its files gets no more than this. */
const MAX_DESCRIPTORS = 1024;
/** 0 to 2 are the standard streams; the next one is the tree's root, opened for the guest. */
export const ROOT_DESCRIPTOR = 3;

interface Node {
  readonly inode: number;
  readonly parent: Directory | null;
}

export interface File extends Node {
  readonly content: Uint8Array;
}

export interface Directory extends Node {
  /** By name, one char per byte. */
  readonly entries: Map<string, File | Directory>;
}

/** What a descriptor stands for. */
export interface OpenFile {
  readonly node: File | Directory;
  /** Of the next read, for a file. */
  position: number;
}

export const isDirectory = (node: File | Directory): node is Directory => 'entries' in node;

/** The tree, and what of it is open. */
export class VirtualDirectory {
  readonly #open = new Map<number, OpenFile>();

  /** `files` has contents by absolute path. */
  constructor(files: ReadonlyMap<string, Uint8Array>) {
    const root: Directory = { inode: 1, parent: null, entries: new Map() };
    let inode = 1;
    for (const [path, content] of files) {
      // Guests' paths are compared as bytes.
      const names = Buffer.from(path, 'utf8').toString('latin1').split('/').slice(1);
      const fileName = names.pop()!;
      let parent = root;
      for (const name of names) {
        let next = parent.entries.get(name);
        if (next === undefined) {
          next = { inode: ++inode, parent, entries: new Map() };
          parent.entries.set(name, next);
        }
        parent = next as Directory;
      }
      parent.entries.set(fileName, { inode: ++inode, parent, content });
    }
    this.#open.set(ROOT_DESCRIPTOR, { node: root, position: 0 });
  }

  opened(descriptor: number): OpenFile | undefined {
    return this.#open.get(descriptor);
  }

  /** The lowest descriptor that is free now stands for `node`; an errno when there are too many. */
  open(node: File | Directory): { readonly descriptor: number } | { readonly errno: number } {
    if (this.#open.size >= MAX_DESCRIPTORS) return { errno: Errno.MFile };
    let descriptor = ROOT_DESCRIPTOR;
    while (this.#open.has(descriptor)) descriptor++;
    this.#open.set(descriptor, { node, position: 0 });
    return { descriptor };
  }

  close(descriptor: number): boolean {
    return this.#open.delete(descriptor);
  }

  /** What `path` leads to from an open directory, or why it leads nowhere; it never leads out of that directory. */
  find(descriptor: number, path: string): { readonly node: File | Directory } | { readonly errno: number } {
    const start = this.#open.get(descriptor)?.node;
    if (start === undefined) return { errno: Errno.BadF };
    if (!isDirectory(start)) return { errno: Errno.NotDir };
    if (path === '') return { errno: Errno.NoEnt };
    if (path.startsWith('/')) return { errno: Errno.NotCapable };
    let node: File | Directory = start;
    for (const name of path.split('/')) {
      if (!isDirectory(node)) return { errno: Errno.NotDir };
      if (name === '' || name === '.') continue;
      if (name === '..') {
        if (node === start || node.parent === null) return { errno: Errno.NotCapable };
        node = node.parent;
        continue;
      }
      const next = node.entries.get(name);
      if (next === undefined) return { errno: Errno.NoEnt };
      node = next;
    }
    return { node };
  }
}
