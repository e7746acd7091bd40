import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Errno, WASI_FUNCTIONS, WASI_MODULES } from '@dragoman/abi';
import {
  type Fixture,
  type FixtureOptions,
  inRequestHeaders,
  requestHeaders,
  startStream,
} from '../testing/fixture.ts';

function withWasi(
  options: FixtureOptions = {},
): Fixture & { wasi: <Result>(inside: () => Result) => Result } {
  const fixture = startStream(options);
  const wasi = <Result>(inside: () => Result): Result => {
    let result: Result | undefined;
    inRequestHeaders(fixture, requestHeaders(), () => {
      result = inside();
      return 0;
    });
    assert.equal(fixture.vm.failure, null);
    return result as Result;
  };
  return { ...fixture, wasi };
}

/** Puts an iovec of the texts at slot 2 and answers [address, count]. */
function vectors({ puppet }: Fixture, ...texts: (string | Buffer)[]): [number, number] {
  texts.forEach((text, i) => {
    const [pointer, length] = puppet.put(text);
    puppet.memory.writeUInt32LE(pointer, puppet.slot(2) + 8 * i);
    puppet.memory.writeUInt32LE(length, puppet.slot(2) + 8 * i + 4);
  });
  return [puppet.slot(2), texts.length];
}

describe('WASI', () => {
  for (const wasiModule of WASI_MODULES) {
    test(`S8: every function can be imported from ${wasiModule} and answers`, () => {
      const fixture = withWasi({ wasiModule });
      const answers = fixture.wasi(() =>
        WASI_FUNCTIONS.map(({ name, type }) => {
          const args = [...type.slice(0, type.indexOf('>'))].map(letter => (letter === 'I' ? 0n : 0));
          return fixture.puppet.call(name, ...args);
        }),
      );
      assert.ok(answers.every(answer => answer === undefined || answer <= 76));
    });
  }

  test('S90: descriptor 1 is info, 2 error, others EBADF; vectors make one line without its newline', () => {
    const fixture = withWasi();
    const { puppet } = fixture;
    const seen = fixture.wasi(() => [
      puppet.call('fd_write', 1, ...vectors(fixture, 'hel', 'lo\n'), puppet.slot(0)),
      puppet.u32(0),
      puppet.call('fd_write', 2, ...vectors(fixture, 'bad'), puppet.slot(0)),
      puppet.call('fd_write', 3, ...vectors(fixture, 'x'), puppet.slot(0)),
      puppet.call('fd_write', 1, ...vectors(fixture, ''), puppet.slot(0)),
      puppet.u32(0),
    ]);
    assert.deepEqual(seen, [0, 6, 0, Errno.BadF, 0, 0]);
    assert.deepEqual(fixture.log, ['2 wasm log plugin root vm: hello', '4 wasm log plugin root vm: bad']);
  });

  test('S90: a character split between two vectors stays whole', () => {
    const fixture = withWasi();
    fixture.wasi(() =>
      fixture.puppet.call(
        'fd_write',
        1,
        ...vectors(fixture, Buffer.from([0xc3]), Buffer.from([0xa9])),
        fixture.puppet.slot(0),
      ),
    );
    assert.deepEqual(fixture.log, ['2 wasm log plugin root vm: é']);
  });

  test('S90: bad pointers are EFAULT', () => {
    const fixture = withWasi();
    const { puppet } = fixture;
    const seen = fixture.wasi(() => [
      puppet.call('fd_write', 1, -16, 4, puppet.slot(0)),
      puppet.call('fd_write', 1, 16, 0x20000000, puppet.slot(0)),
      puppet.call('fd_write', 1, ...vectors(fixture, 'x'), -2),
      puppet.call('clock_time_get', 0, 0n, -4),
      puppet.call('random_get', -16, 32),
      puppet.call('poll_oneoff', 0, 0, 0, -4),
    ]);
    assert.deepEqual(new Set(seen), new Set([Errno.Fault]));
  });

  test('S91: clocks 0 and 1, and no others', () => {
    const fixture = withWasi();
    const { puppet } = fixture;
    const seen = fixture.wasi(() => [
      puppet.call('clock_time_get', 0, 0n, puppet.slot(0)),
      puppet.u64(0),
      puppet.call('clock_time_get', 1, 0n, puppet.slot(0)),
      puppet.u64(0),
      puppet.call('clock_time_get', 2, 0n, puppet.slot(0)),
      puppet.call('clock_res_get', 1, puppet.slot(0)),
      puppet.u64(0),
      puppet.call('clock_res_get', 2, puppet.slot(0)),
    ]);
    assert.deepEqual(seen, [
      0,
      1_700_000_000_000_250_000n,
      0,
      1_000_000_000n,
      Errno.NotSup,
      0,
      1n,
      Errno.NotSup,
    ]);
  });

  test('S91: random_get fills 65536 bytes, refuses 65537, and 0 bytes touch nothing', () => {
    const fixture = withWasi();
    const { puppet } = fixture;
    const seen = fixture.wasi(() => [
      puppet.call('random_get', 65_536, 65_536),
      puppet.call('random_get', 65_536, 65_537),
      puppet.call('random_get', -1, 0),
    ]);
    assert.deepEqual(seen, [0, Errno.Inval, 0]);
    assert.ok(puppet.memory.subarray(65_536, 2 * 65_536).some(byte => byte !== 0));
  });

  test('S92: the environment is what is configured; there are no arguments', () => {
    const environment = new Map([
      ['NAME', 'value'],
      ['EMPTY', ''],
    ]);
    const fixture = withWasi({ vm: { environment } });
    const { puppet } = fixture;
    const seen = fixture.wasi(() => {
      puppet.call('environ_sizes_get', puppet.slot(0), puppet.slot(1));
      const sizes = [puppet.u32(0), puppet.u32(1)];
      puppet.call('environ_get', puppet.slot(2), 4096);
      const lines = [puppet.u32(2), puppet.memory.readUInt32LE(puppet.slot(2) + 4)].map(at =>
        puppet.memory.latin1Slice(at, puppet.memory.indexOf(0, at)),
      );
      puppet.call('args_sizes_get', puppet.slot(4), puppet.slot(5));
      return [...sizes, ...lines, puppet.u32(4), puppet.u32(5)];
    });
    assert.deepEqual(seen, [2, 'NAME=value\0EMPTY=\0'.length, 'NAME=value', 'EMPTY=', 0, 0]);
  });

  test('S92: poll_oneoff returns at once with no event', () => {
    const fixture = withWasi();
    const { puppet } = fixture;
    const seen = fixture.wasi(() => {
      puppet.clearSlots();
      return [puppet.call('poll_oneoff', 0, 0, 1, puppet.slot(0)), puppet.u32(0)];
    });
    assert.deepEqual(seen, [0, 0]);
  });

  test('fd_fdstat_get: the outputs can be written, others do not exist', () => {
    const fixture = withWasi();
    const { puppet } = fixture;
    const seen = fixture.wasi(() => {
      puppet.clearSlots();
      return [
        puppet.call('fd_fdstat_get', 1, puppet.slot(0)),
        puppet.u64(0),
        puppet.u64(1),
        puppet.u64(2),
        puppet.call('fd_fdstat_get', 3, 16),
      ];
    });
    assert.deepEqual(seen, [0, 0n, 64n, 0n, Errno.BadF]);
  });

  test('proc_exit returns to the guest', () => {
    const fixture = withWasi();
    let after = false;
    fixture.wasi(() => {
      fixture.puppet.call('proc_exit', 1);
      after = true;
    });
    assert.equal(after, true);
  });
});
