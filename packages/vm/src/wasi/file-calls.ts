// WASI's calls on files and directories, over the read-only tree of a plugin that has been given files. The standard
// streams stay with the calls for plugins without files.

import { Errno } from '@dragoman/abi';
import type { HostFunction, HostFunctions } from '../host/host-function.ts';
import type { GuestMemory } from '../memory.ts';
import type { Vm } from '../vm.ts';
import type { WasiLayout } from './layout.ts';
import {
  type Directory,
  type File,
  isDirectory,
  type OpenFile,
  ROOT_DESCRIPTOR,
  type VirtualDirectory,
} from './virtual-directory.ts';

const FileType = { Directory: 3, RegularFile: 4 } as const;
/** Bits of rights. */
const Right = {
  FdRead: 1n << 1n,
  FdSeek: 1n << 2n,
  FdTell: 1n << 5n,
  FdWrite: 1n << 6n,
  FdAdvise: 1n << 7n,
  PathOpen: 1n << 13n,
  FdReaddir: 1n << 14n,
  PathFilestatGet: 1n << 18n,
  FdFilestatGet: 1n << 21n,
} as const;
const FILE_RIGHTS = Right.FdRead | Right.FdSeek | Right.FdTell | Right.FdAdvise | Right.FdFilestatGet;
const DIRECTORY_RIGHTS = Right.PathOpen | Right.FdReaddir | Right.PathFilestatGet | Right.FdFilestatGet;
/** Flags of path_open. */
const OpenFlag = { Create: 1, Directory: 2, Exclusive: 4, Truncate: 8 } as const;
const DIRENT_BYTES = 24;
const FDSTAT_BYTES = 24;

const readOnly = (): number => Errno.RoFs;

/** The calls that differ for a plugin with files; `others` answers for descriptors that are not the tree's. */
export function fileCalls(
  vm: Vm,
  tree: VirtualDirectory,
  layout: WasiLayout,
  others: HostFunctions,
): HostFunctions {
  /** A call whose first argument is a descriptor. */
  const on = (name: string, call: (file: OpenFile, ...args: never[]) => number): HostFunction => {
    return (descriptor: number, ...args: (number | bigint)[]) => {
      const file = tree.opened(descriptor);
      if (file !== undefined) return call(file, ...(args as never[]));
      return descriptor >= ROOT_DESCRIPTOR ? Errno.BadF : others[name]!(descriptor, ...args);
    };
  };
  return {
    fd_prestat_get: (descriptor: number, result: number) => prestat(vm, tree, descriptor, result >>> 0),
    fd_prestat_dir_name: (descriptor: number, path: number, size: number) =>
      prestatName(vm, tree, descriptor, path >>> 0, size >>> 0),
    path_open: (...args: (number | bigint)[]) => pathOpen(vm, tree, args),
    path_filestat_get: (descriptor: number, _flags: number, path: number, size: number, result: number) => {
      const found = find(vm.memory, tree, descriptor, path >>> 0, size >>> 0);
      return 'errno' in found ? found.errno : writeFilestat(vm, layout, found.node, result >>> 0);
    },
    fd_close: (descriptor: number) =>
      tree.close(descriptor) ? Errno.Success : descriptor < ROOT_DESCRIPTOR ? Errno.Success : Errno.BadF,
    fd_read: on('fd_read', (file, vectors: number, count: number, result: number) => {
      const outcome = readVectors(vm, file, BigInt(file.position), vectors >>> 0, count >>> 0, result >>> 0);
      if (outcome.errno === Errno.Success) file.position += outcome.bytes;
      return outcome.errno;
    }),
    fd_pread: on('fd_pread', (file, vectors: number, count: number, offset: bigint, result: number) => {
      const position = BigInt.asUintN(64, offset);
      return readVectors(vm, file, position, vectors >>> 0, count >>> 0, result >>> 0).errno;
    }),
    fd_seek: on('fd_seek', (file, offset: bigint, whence: number, result: number) =>
      seek(vm, layout, file, offset, whence, result >>> 0),
    ),
    fd_tell: on('fd_tell', (file, result: number) => writePosition(vm, file, result >>> 0)),
    fd_fdstat_get: on('fd_fdstat_get', (file, result: number) => writeFdstat(vm, file.node, result >>> 0)),
    fd_filestat_get: on('fd_filestat_get', (file, result: number) =>
      writeFilestat(vm, layout, file.node, result >>> 0),
    ),
    fd_readdir: on('fd_readdir', (file, buffer: number, size: number, cookie: bigint, used: number) =>
      readDirectory(vm, file.node, buffer >>> 0, size >>> 0, BigInt.asUintN(64, cookie), used >>> 0),
    ),
    fd_sync: on('fd_sync', () => Errno.Success),
    fd_datasync: on('fd_datasync', () => Errno.Success),
    fd_allocate: on('fd_allocate', readOnly),
    fd_filestat_set_size: on('fd_filestat_set_size', readOnly),
    fd_filestat_set_times: on('fd_filestat_set_times', readOnly),
    path_filestat_set_times: readOnly,
    path_create_directory: readOnly,
    path_remove_directory: readOnly,
    path_unlink_file: readOnly,
    path_link: readOnly,
    path_rename: readOnly,
    path_symlink: readOnly,
    path_readlink: (descriptor: number, path: number, size: number) => {
      const found = find(vm.memory, tree, descriptor, path >>> 0, size >>> 0);
      return 'errno' in found ? found.errno : Errno.Inval;
    },
  };
}

function find(memory: GuestMemory, tree: VirtualDirectory, descriptor: number, path: number, size: number) {
  if (!memory.fits(path, size)) return { errno: Errno.Fault };
  return tree.find(descriptor, memory.latin1(path, size));
}

/** The root is the one directory that is open from the start; its name is "/". */
function prestat(vm: Vm, tree: VirtualDirectory, descriptor: number, result: number): number {
  if (descriptor !== ROOT_DESCRIPTOR || !isRoot(tree)) return Errno.BadF;
  if (!vm.memory.fits(result, 8)) return Errno.Fault;
  vm.memory.setUint32(result, 0);
  vm.memory.setUint32(result + 4, 1);
  return Errno.Success;
}

function prestatName(vm: Vm, tree: VirtualDirectory, descriptor: number, path: number, size: number): number {
  if (descriptor !== ROOT_DESCRIPTOR || !isRoot(tree)) return Errno.BadF;
  if (size < 1) return Errno.NameTooLong;
  if (!vm.memory.fits(path, 1)) return Errno.Fault;
  vm.memory.writeLatin1(path, '/');
  return Errno.Success;
}

/** A guest may have closed the root and opened something else in its place. */
function isRoot(tree: VirtualDirectory): boolean {
  return tree.opened(ROOT_DESCRIPTOR)?.node.parent === null;
}

/** descriptor, lookup flags, path and its size, open flags, rights, inherited rights, descriptor flags, result. */
function pathOpen(vm: Vm, tree: VirtualDirectory, args: readonly (number | bigint)[]): number {
  const [descriptor, path, size, flags] = [args[0], args[2], args[3], args[4]] as number[];
  const rights = args[5] as bigint;
  const result = (args[8] as number) >>> 0;
  if (!vm.memory.fits(result, 4)) return Errno.Fault;
  const found = find(vm.memory, tree, descriptor!, path! >>> 0, size! >>> 0);
  if ('errno' in found) {
    return found.errno === Errno.NoEnt && (flags! & OpenFlag.Create) !== 0 ? Errno.RoFs : found.errno;
  }
  const refusal = openRefusal(found.node, flags!, rights);
  if (refusal !== Errno.Success) return refusal;
  const opened = tree.open(found.node);
  if ('errno' in opened) return opened.errno;
  vm.memory.setUint32(result, opened.descriptor);
  return Errno.Success;
}

function openRefusal(node: File | Directory, flags: number, rights: bigint): number {
  if ((flags & OpenFlag.Create) !== 0 && (flags & OpenFlag.Exclusive) !== 0) return Errno.Exist;
  if (isDirectory(node)) return Errno.Success;
  if ((flags & OpenFlag.Directory) !== 0) return Errno.NotDir;
  return (flags & OpenFlag.Truncate) !== 0 || (rights & Right.FdWrite) !== 0n ? Errno.RoFs : Errno.Success;
}

/** Fills the guest's vectors from `position` on. */
function readVectors(
  vm: Vm,
  { node }: OpenFile,
  position: bigint,
  vectors: number,
  count: number,
  result: number,
): { errno: number; bytes: number } {
  const { memory } = vm;
  if (isDirectory(node)) return { errno: Errno.IsDir, bytes: 0 };
  if (!memory.fits(vectors, count * 8) || !memory.fits(result, 4)) return { errno: Errno.Fault, bytes: 0 };
  const { content } = node;
  let at = position > BigInt(content.length) ? content.length : Number(position);
  let bytes = 0;
  for (let i = 0; i < count && at < content.length; i++) {
    const pointer = memory.view.getUint32(vectors + 8 * i, true);
    const size = memory.view.getUint32(vectors + 8 * i + 4, true);
    if (!memory.fits(pointer, size)) return { errno: Errno.Fault, bytes: 0 };
    const piece = content.subarray(at, at + size);
    memory.bytes.set(piece, pointer);
    at += piece.length;
    bytes += piece.length;
  }
  memory.setUint32(result, bytes);
  return { errno: Errno.Success, bytes };
}

function seek(
  vm: Vm,
  { whence: from }: WasiLayout,
  file: OpenFile,
  offset: bigint,
  whence: number,
  result: number,
): number {
  if (isDirectory(file.node)) return Errno.IsDir;
  const base =
    whence === from.set
      ? 0
      : whence === from.current
        ? file.position
        : whence === from.end
          ? file.node.content.length
          : -1;
  const target = BigInt(base) + offset;
  if (base < 0 || target < 0n || target > BigInt(Number.MAX_SAFE_INTEGER)) return Errno.Inval;
  if (!vm.memory.fits(result, 8)) return Errno.Fault;
  file.position = Number(target);
  return writePosition(vm, file, result);
}

function writePosition(vm: Vm, file: OpenFile, result: number): number {
  if (!vm.memory.fits(result, 8)) return Errno.Fault;
  vm.memory.setUint64(result, BigInt(file.position));
  return Errno.Success;
}

function writeFdstat(vm: Vm, node: File | Directory, result: number): number {
  const { memory } = vm;
  if (!memory.fits(result, FDSTAT_BYTES)) return Errno.Fault;
  memory.bytes.fill(0, result, result + FDSTAT_BYTES);
  const directory = isDirectory(node);
  memory.bytes[result] = directory ? FileType.Directory : FileType.RegularFile;
  memory.setUint64(result + 8, directory ? DIRECTORY_RIGHTS : FILE_RIGHTS);
  memory.setUint64(result + 16, directory ? DIRECTORY_RIGHTS | FILE_RIGHTS : 0n);
  return Errno.Success;
}

/** Times are 0: the tree has none. */
function writeFilestat(vm: Vm, { filestat }: WasiLayout, node: File | Directory, result: number): number {
  const { memory } = vm;
  if (!memory.fits(result, filestat.bytes)) return Errno.Fault;
  memory.bytes.fill(0, result, result + filestat.bytes);
  memory.setUint64(result + 8, BigInt(node.inode));
  memory.bytes[result + 16] = isDirectory(node) ? FileType.Directory : FileType.RegularFile;
  if (filestat.linksBytes === 8) memory.setUint64(result + filestat.links, 1n);
  else memory.setUint32(result + filestat.links, 1);
  memory.setUint64(result + filestat.size, isDirectory(node) ? 0n : BigInt(node.content.length));
  return Errno.Success;
}

/** Entries from the one numbered `cookie` on, as many as there is room for; the last one may be cut. */
function readDirectory(
  vm: Vm,
  node: File | Directory,
  buffer: number,
  size: number,
  cookie: bigint,
  used: number,
): number {
  const { memory } = vm;
  if (!isDirectory(node)) return Errno.NotDir;
  if (!memory.fits(buffer, size) || !memory.fits(used, 4)) return Errno.Fault;
  const entries: [string, File | Directory][] = [['.', node], ['..', node.parent ?? node], ...node.entries];
  let at = 0;
  const first = cookie > BigInt(entries.length) ? entries.length : Number(cookie);
  for (let i = first; i < entries.length && at < size; i++) {
    const [name, entry] = entries[i]!;
    const dirent = Buffer.alloc(DIRENT_BYTES + name.length);
    dirent.writeBigUInt64LE(BigInt(i + 1), 0);
    dirent.writeBigUInt64LE(BigInt(entry.inode), 8);
    dirent.writeUInt32LE(name.length, 16);
    dirent[20] = isDirectory(entry) ? FileType.Directory : FileType.RegularFile;
    dirent.latin1Write(name, DIRENT_BYTES, name.length);
    at += dirent.copy(memory.bytes, buffer + at, 0, Math.min(dirent.length, size - at));
  }
  memory.setUint32(used, at);
  return Errno.Success;
}
