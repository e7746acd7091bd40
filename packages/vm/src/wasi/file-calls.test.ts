// Files of a plugin: what a guest finds in its read-only directory, by both names of WASI, and that nothing leads out.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Errno, WASI_FUNCTIONS, WASI_MODULES } from '@dragoman/abi';
import fc from 'fast-check';
import { type Fixture, inRequestHeaders, requestHeaders, startStream } from '../testing/fixture.ts';

const FILES = new Map([
  ['/etc/rules.json', Buffer.from('{"deny": true}')],
  ['/etc/more/list.txt', Buffer.from('one\ntwo\n')],
  ['/empty', Buffer.alloc(0)],
]);
const ROOT = 3;
const RIGHT_TO_WRITE = 1n << 6n;

/** Runs `inside` in a callback of a plugin with those files. */
function withFiles<Result>(inside: (calls: FileCalls) => Result, wasiModule = WASI_MODULES[0]!): Result {
  const fixture = startStream({ wasiModule, vm: { files: FILES } });
  let result: Result | undefined;
  inRequestHeaders(fixture, requestHeaders(), () => {
    result = inside(new FileCalls(fixture));
    return 0;
  });
  assert.equal(fixture.vm.failure, null);
  return result as Result;
}

/** The calls, as a C library makes them. */
class FileCalls {
  readonly puppet: Fixture['puppet'];

  constructor({ puppet }: Fixture) {
    this.puppet = puppet;
  }

  /** A descriptor, or minus the errno. */
  open(path: string, options: { from?: number; flags?: number; rights?: bigint } = {}): number {
    const { from = ROOT, flags = 0, rights = 0n } = options;
    const errno = this.puppet.call('path_open', from, 0, path, flags, rights, 0n, 0, this.puppet.slot(0));
    return errno === 0 ? this.puppet.u32(0) : -errno;
  }

  /** What one read of so many bytes gets. */
  read(descriptor: number, bytes: number): string {
    const target = 40_000;
    this.#vector(target, bytes);
    const errno = this.puppet.call('fd_read', descriptor, this.puppet.slot(2), 1, this.puppet.slot(0));
    return errno === 0
      ? this.puppet.memory.latin1Slice(target, target + this.puppet.u32(0))
      : `errno ${errno}`;
  }

  readAt(descriptor: number, bytes: number, offset: bigint): string {
    const target = 40_000;
    this.#vector(target, bytes);
    const { puppet } = this;
    const errno = puppet.call('fd_pread', descriptor, puppet.slot(2), 1, offset, puppet.slot(0));
    return errno === 0 ? puppet.memory.latin1Slice(target, target + puppet.u32(0)) : `errno ${errno}`;
  }

  /** The new position, or minus the errno. */
  seek(descriptor: number, offset: bigint, whence: number): number {
    const errno = this.puppet.call('fd_seek', descriptor, offset, whence, this.puppet.slot(0));
    return errno === 0 ? Number(this.puppet.u64(0)) : -errno;
  }

  /** "name type" of what fits into so many bytes, and the cookie of the last. */
  list(descriptor: number, bytes: number, cookie = 0n): string[] {
    const buffer = 40_000;
    const { puppet } = this;
    assert.equal(puppet.call('fd_readdir', descriptor, buffer, bytes, cookie, puppet.slot(0)), 0);
    const end = buffer + puppet.u32(0);
    const found: string[] = [];
    for (let at = buffer; at + 24 <= end; ) {
      const size = puppet.memory.readUInt32LE(at + 16);
      if (at + 24 + size > end) break;
      found.push(`${puppet.memory.latin1Slice(at + 24, at + 24 + size)} ${puppet.memory[at + 20]}`);
      at += 24 + size;
    }
    return found;
  }

  #vector(target: number, bytes: number): void {
    this.puppet.memory.writeUInt32LE(target, this.puppet.slot(2));
    this.puppet.memory.writeUInt32LE(bytes, this.puppet.slot(2) + 4);
  }
}

for (const wasiModule of WASI_MODULES) {
  describe(`files by ${wasiModule}`, () => {
    test('the root is open from the start, as a directory named "/"', () => {
      const seen = withFiles(({ puppet }) => {
        const answers = [
          puppet.call('fd_prestat_get', ROOT, puppet.slot(0)),
          puppet.u32(0),
          puppet.u32(0) === 0 ? puppet.memory.readUInt32LE(puppet.slot(0) + 4) : -1,
          puppet.call('fd_prestat_dir_name', ROOT, puppet.slot(1), 1),
          puppet.memory[puppet.slot(1)],
          puppet.call('fd_prestat_get', ROOT + 1, puppet.slot(0)),
          puppet.call('fd_fdstat_get', ROOT, puppet.slot(0)),
          puppet.memory[puppet.slot(0)],
        ];
        return answers;
      }, wasiModule);
      assert.deepEqual(seen, [0, 0, 1, 0, 47, Errno.BadF, 0, 3]);
    });

    test('a file is opened, read to its end and closed', () => {
      const seen = withFiles(calls => {
        const file = calls.open('etc/rules.json');
        const read = [calls.read(file, 8), calls.read(file, 100), calls.read(file, 100)];
        return [
          file,
          ...read,
          calls.puppet.call('fd_close', file),
          calls.read(file, 1),
          calls.puppet.call('fd_close', file),
        ];
      }, wasiModule);
      assert.deepEqual(seen, [4, '{"deny":', ' true}', '', 0, `errno ${Errno.BadF}`, Errno.BadF]);
    });

    test('S8: seeking counts from the start, the position and the end, numbered as this name has them', () => {
      const [set, current, end] = wasiModule === 'wasi_unstable' ? [2, 0, 1] : [0, 1, 2];
      const seen = withFiles(calls => {
        const file = calls.open('/etc/rules.json'.slice(1));
        return [
          calls.seek(file, 9n, set!),
          calls.read(file, 4),
          calls.seek(file, -4n, current!),
          calls.seek(file, -5n, end!),
          calls.seek(file, -1n, set!),
          calls.seek(file, 0n, 3),
          calls.puppet.call('fd_tell', file, calls.puppet.slot(0)),
          calls.puppet.u64(0),
          calls.seek(file, 99n, set!),
          calls.read(file, 4),
          calls.readAt(file, 4, 2n),
          calls.readAt(file, 4, -1n),
        ];
      }, wasiModule);
      assert.deepEqual(seen, [9, 'true', 9, 9, -Errno.Inval, -Errno.Inval, 0, 9n, 99, '', 'deny', '']);
    });

    test('S8: filestat has type and size where this name has them', () => {
      const [size, links] = wasiModule === 'wasi_unstable' ? [24, 20] : [32, 24];
      const seen = withFiles(({ puppet }) => {
        const at = 40_000;
        const facts = (errno: number) => [
          errno,
          puppet.memory[at + 16],
          puppet.memory[at + links!],
          Number(puppet.memory.readBigUInt64LE(at + size!)),
        ];
        return [
          facts(puppet.call('path_filestat_get', ROOT, 0, 'etc/rules.json', at)),
          facts(puppet.call('path_filestat_get', ROOT, 0, 'etc', at)),
          facts(puppet.call('fd_filestat_get', ROOT, at)),
          puppet.call('path_filestat_get', ROOT, 0, 'nothing', at),
        ];
      }, wasiModule);
      assert.deepEqual(seen, [[0, 4, 1, 14], [0, 3, 1, 0], [0, 3, 1, 0], Errno.NoEnt]);
    });
  });
}

describe('a directory of files', () => {
  test('is listed whole, in pieces, and with its last entry cut', () => {
    const all = ['. 3', '.. 3', 'rules.json 4', 'more 3'];
    const [whole, first, rest, cut] = withFiles(calls => {
      const directory = calls.open('etc');
      return [
        calls.list(directory, 1000),
        calls.list(directory, 25 + 26),
        calls.list(directory, 1000, 2n),
        calls.list(directory, 25 + 26 + 30),
      ];
    });
    assert.deepEqual([whole, first, rest, cut], [all, all.slice(0, 2), all.slice(2), all.slice(0, 2)]);
  });

  test('is where paths begin that are opened from it', () => {
    const seen = withFiles(calls => {
      const from = calls.open('etc', { flags: 2 });
      return [
        calls.read(calls.open('more/list.txt', { from }), 3),
        calls.read(calls.open('./more/../rules.json', { from }), 6),
        calls.open('../empty', { from }),
        calls.open('rules.json', { from, flags: 2 }),
        calls.open('rules.json/x', { from }),
        calls.open('list.txt', { from: calls.open('more/list.txt', { from }) }),
      ];
    });
    assert.deepEqual(seen, ['one', '{"deny', -Errno.NotCapable, -Errno.NotDir, -Errno.NotDir, -Errno.NotDir]);
  });

  test('cannot be changed', () => {
    const seen = withFiles(calls => {
      const { puppet } = calls;
      const file = calls.open('empty');
      return [
        calls.open('new', { flags: 1 }),
        calls.open('empty', { flags: 1 | 4 }),
        calls.open('empty', { flags: 8 }),
        calls.open('empty', { rights: RIGHT_TO_WRITE }),
        puppet.call('path_unlink_file', ROOT, 'empty'),
        puppet.call('path_create_directory', ROOT, 'new'),
        puppet.call('path_rename', ROOT, 'empty', ROOT, 'new'),
        puppet.call('fd_filestat_set_size', file, 0n),
        puppet.call('fd_write', file, puppet.slot(2), 0, puppet.slot(0)),
      ];
    });
    const { RoFs } = Errno;
    assert.deepEqual(seen, [-RoFs, -Errno.Exist, -RoFs, -RoFs, RoFs, RoFs, RoFs, RoFs, Errno.BadF]);
  });

  test('has so many open files and no more', () => {
    const last = withFiles(calls => {
      let descriptor = 0;
      for (let i = 0; i < 1100 && descriptor >= 0; i++) descriptor = calls.open('empty');
      return descriptor;
    });
    assert.equal(last, -Errno.MFile);
  });

  test('no path leads anywhere but to its files', () => {
    const part = fc.constantFrom(
      '..',
      '.',
      '',
      'etc',
      'more',
      'rules.json',
      'list.txt',
      'empty',
      'passwd',
      '\0',
      '~',
    );
    const contents = [...FILES.values()].map(String);
    withFiles(calls => {
      fc.assert(
        fc.property(fc.array(part, { maxLength: 8 }), parts => {
          const descriptor = calls.open(parts.join('/'));
          if (descriptor < 0) return;
          const read = calls.read(descriptor, 100);
          assert.ok(read === `errno ${Errno.IsDir}` || contents.includes(read), parts.join('/'));
          calls.puppet.call('fd_close', descriptor);
        }),
        { numRuns: 500 },
      );
    });
  });

  test('is not there for a plugin without files', () => {
    const { puppet, ...fixture } = startStream({ wasi: WASI_FUNCTIONS });
    const seen: number[] = [];
    inRequestHeaders({ puppet, ...fixture }, requestHeaders(), () => {
      seen.push(puppet.call('fd_prestat_get', ROOT, puppet.slot(0)));
      seen.push(puppet.call('path_open', ROOT, 0, 'etc', 0, 0n, 0n, 0, puppet.slot(0)));
      return 0;
    });
    assert.deepEqual(seen, [Errno.BadF, Errno.NoEnt]);
  });
});
