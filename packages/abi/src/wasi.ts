// The WASI preview 1 functions that hosts offer to plugins, their types, and the errno values they answer.
// Types as in host-calls.ts.

import type { FunctionSpec } from './host-calls.ts';

/** Both module names offer the same functions (S8); the older one lays out `filestat` and numbers `whence` otherwise. */
export const WASI_MODULES: readonly string[] = ['wasi_snapshot_preview1', 'wasi_unstable'];

export const Errno = {
  Success: 0,
  Acces: 2,
  BadF: 8,
  Exist: 20,
  Fault: 21,
  Inval: 28,
  IsDir: 31,
  MFile: 33,
  NameTooLong: 37,
  NoEnt: 44,
  NoSys: 52,
  NotDir: 54,
  NotSup: 58,
  RoFs: 69,
  NotCapable: 76,
} as const;

const fn = (name: string, type: string): FunctionSpec => ({ name, type });

/** Chapter 7.8 of the ABI reference. */
export const WASI_FUNCTIONS: readonly FunctionSpec[] = [
  fn('args_get', 'ii>i'),
  fn('args_sizes_get', 'ii>i'),
  fn('environ_get', 'ii>i'),
  fn('environ_sizes_get', 'ii>i'),
  fn('clock_time_get', 'iIi>i'),
  fn('clock_res_get', 'ii>i'),
  fn('random_get', 'ii>i'),
  fn('fd_write', 'iiii>i'),
  fn('fd_pwrite', 'iiiIi>i'),
  fn('fd_read', 'iiii>i'),
  fn('fd_pread', 'iiiIi>i'),
  fn('fd_seek', 'iIii>i'),
  fn('fd_close', 'i>i'),
  fn('fd_fdstat_get', 'ii>i'),
  fn('fd_fdstat_set_flags', 'ii>i'),
  fn('fd_fdstat_set_rights', 'iII>i'),
  fn('fd_filestat_get', 'ii>i'),
  fn('fd_filestat_set_size', 'iI>i'),
  fn('fd_filestat_set_times', 'iIIi>i'),
  fn('fd_advise', 'iIIi>i'),
  fn('fd_allocate', 'iII>i'),
  fn('fd_datasync', 'i>i'),
  fn('fd_sync', 'i>i'),
  fn('fd_tell', 'ii>i'),
  fn('fd_readdir', 'iiiIi>i'),
  fn('fd_renumber', 'ii>i'),
  fn('fd_prestat_get', 'ii>i'),
  fn('fd_prestat_dir_name', 'iii>i'),
  fn('path_open', 'iiiiiIIii>i'),
  fn('path_filestat_get', 'iiiii>i'),
  fn('path_filestat_set_times', 'iiiiIIi>i'),
  fn('path_create_directory', 'iii>i'),
  fn('path_remove_directory', 'iii>i'),
  fn('path_unlink_file', 'iii>i'),
  fn('path_link', 'iiiiiii>i'),
  fn('path_readlink', 'iiiiii>i'),
  fn('path_rename', 'iiiiii>i'),
  fn('path_symlink', 'iiiii>i'),
  fn('poll_oneoff', 'iiii>i'),
  fn('sched_yield', '>i'),
  fn('sock_accept', 'iii>i'),
  fn('sock_recv', 'iiiiii>i'),
  fn('sock_send', 'iiiii>i'),
  fn('sock_shutdown', 'ii>i'),
  fn('proc_exit', 'i>'),
  fn('proc_raise', 'i>i'),
];
