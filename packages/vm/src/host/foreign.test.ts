import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign, verify } from 'node:crypto';
import { describe, test } from 'node:test';
import { Status } from '@dragoman/abi';
import type { ForeignFunction } from '../foreign/foreign-function.ts';
import { readBytesFields, writeField } from '../foreign/protobuf.ts';
import {
  type Fixture,
  type FixtureOptions,
  inRequestHeaders,
  requestHeaders,
  startStream,
} from '../testing/fixture.ts';

const CALL = 'proxy_call_foreign_function';

function calling(options: FixtureOptions = {}) {
  const fixture: Fixture = startStream(options);
  const call = (name: string, args: string | Buffer) => {
    let answer: { status: number; result: Buffer } | undefined;
    inRequestHeaders(fixture, requestHeaders(), () => {
      const { puppet } = fixture;
      puppet.clearSlots();
      const status = puppet.call(CALL, name, args, puppet.slot(0), puppet.slot(1));
      // Outputs are untouched for an unknown name.
      const result = puppet.u32(1) === 0xeeeeeeee ? 'untouched' : puppet.text();
      answer = { status, result: Buffer.from(result, 'latin1') };
      return 0;
    });
    return answer!;
  };
  return { fixture, call };
}

describe('foreign functions', () => {
  test('S93: an unknown name is NOT_FOUND and leaves the results alone', () => {
    const { call } = calling();
    assert.deepEqual(call('no such function', ''), {
      status: Status.NotFound,
      result: Buffer.from('untouched'),
    });
  });

  test('S93: compress and uncompress are inverse; what is no zlib stream is SERIALIZATION_FAILURE', () => {
    const { call } = calling();
    const text = 'text '.repeat(500);
    const packed = call('compress', text);
    assert.equal(packed.status, 0);
    assert.ok(packed.result.length < 100);
    assert.deepEqual(call('uncompress', packed.result), { status: 0, result: Buffer.from(text) });
    assert.equal(call('uncompress', 'no zlib').status, Status.SerializationFailure);
    assert.equal(call('uncompress', packed.result.subarray(0, 10)).status, Status.SerializationFailure);
  });

  test('S93: null result pointers discard the result', () => {
    const { fixture } = calling();
    let status = -1;
    inRequestHeaders(fixture, requestHeaders(), () => {
      status = fixture.puppet.call(CALL, 'compress', 'text', 0, 0);
      return 0;
    });
    assert.equal(status, 0);
    assert.deepEqual(fixture.puppet.allocations, []);
  });

  test('results are written also when the function failed', () => {
    const failing: ForeignFunction = () => ({ status: Status.InternalFailure, result: Buffer.from('why') });
    const { call } = calling({ host: { foreignFunctions: new Map([['failing', failing]]) } });
    assert.deepEqual(call('failing', ''), { status: Status.InternalFailure, result: Buffer.from('why') });
  });

  test('clear_route_cache is for the effective context, and does nothing on a root', () => {
    const { fixture, call } = calling();
    call('clear_route_cache', '');
    assert.deepEqual(fixture.streamHost.asked, ['clearRouteCache']);
    fixture.puppet.on.proxy_on_tick = () => {
      fixture.puppet.call(CALL, 'clear_route_cache', '', 0, 0);
      assert.deepEqual(fixture.streamHost.asked, ['clearRouteCache']);
      fixture.puppet.call('proxy_set_effective_context', fixture.stream.id);
      return fixture.puppet.call(CALL, 'clear_route_cache', '', 0, 0);
    };
    fixture.root.setTickPeriod(1);
    fixture.clock.advance(1);
    assert.deepEqual(fixture.streamHost.asked, ['clearRouteCache', 'clearRouteCache']);
  });

  test('verify_signature: right, wrong, and unusable keys', () => {
    const { call } = calling();
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const text = Buffer.from('the text');
    const signature = sign('sha256', text, privateKey);
    const der = publicKey.export({ type: 'spki', format: 'der' });
    const pem = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }));
    const args = (signed: Buffer, ...key: [number, Buffer][]) =>
      Buffer.concat([
        writeField(1, Buffer.from('sha256')),
        ...key.map(([field, bytes]) => writeField(field, bytes)),
        writeField(3, signed),
        writeField(4, text),
      ]);
    const good = writeField(1, true);
    assert.deepEqual(call('verify_signature', args(signature, [2, der])), { status: 0, result: good });
    assert.deepEqual(call('verify_signature', args(signature, [5, pem])), { status: 0, result: good });
    const errorOf = (answer: { status: number; result: Buffer }) => {
      assert.equal(answer.status, 0);
      const fields = readBytesFields(answer.result);
      assert.equal(fields.has(1), false);
      return fields.get(2)?.toString();
    };
    const verified = (signed: Buffer, ...key: [number, Buffer][]) =>
      errorOf(call('verify_signature', args(signed, ...key)));
    assert.equal(verified(createHash('sha256').digest(), [2, der]), 'Failed to verify digest. Error code: 0');
    const unusable = 'Failed to initialize digest verify.';
    assert.equal(verified(signature, [2, text]), unusable);
    assert.equal(verified(signature, [5, text]), unusable);
    const secret = Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    assert.equal(verified(signature, [5, secret]), unusable);
    const edwards = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'der' });
    assert.equal(verified(signature, [2, edwards]), unusable);
    const md5 = Buffer.concat([writeField(1, Buffer.from('MD5')), writeField(2, der)]);
    assert.equal(errorOf(call('verify_signature', md5)), 'MD5 is not supported.');
    for (const bad of [args(signature), args(signature, [2, der], [5, pem]), Buffer.from([0xff])])
      assert.equal(call('verify_signature', bad).status, Status.BadArgument);
    assert.deepEqual(call('verify_signature', args(signature, [2, der], [5, Buffer.alloc(0)])), {
      status: 0,
      result: good,
    });
  });

  test('sign makes a signature that the public key verifies', () => {
    const { call } = calling();
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const text = Buffer.from('the text');
    const { status, result } = call(
      'sign',
      Buffer.concat([
        writeField(1, Buffer.from('sha256')),
        writeField(2, privateKey.export({ type: 'pkcs8', format: 'der' })),
        writeField(3, text),
      ]),
    );
    assert.equal(status, 0);
    assert.ok(verify('sha256', text, publicKey, readBytesFields(result).get(2)!));
    const errorOf = (...fields: [number, Buffer][]) => {
      const answer = call('sign', Buffer.concat(fields.map(([field, bytes]) => writeField(field, bytes))));
      return answer.status === 0 ? readBytesFields(answer.result).get(3)?.toString() : answer.status;
    };
    const der = publicKey.export({ type: 'spki', format: 'der' });
    const sha256: [number, Buffer] = [1, Buffer.from('sha256')];
    const notPrivate = 'Invalid key type: private key required for signing operation.';
    assert.equal(errorOf(sha256, [2, der], [3, text]), notPrivate);
    assert.equal(errorOf(sha256, [4, text], [3, text]), notPrivate);
    assert.equal(errorOf([1, text], [2, der]), 'the text is not supported.');
    assert.equal(errorOf(sha256, [3, text]), Status.BadArgument);
  });

  describe('shared data', () => {
    const number = (value: bigint): Buffer => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64LE(value);
      return bytes;
    };
    const increment = (delta: bigint, ttlMs: number, key: string): Buffer =>
      Buffer.concat([number(delta), Buffer.from([ttlMs & 255, ttlMs >> 8, 0, 0]), Buffer.from(key)]);

    test('increment counts in one step, also down; what is no number is BAD_ARGUMENT', () => {
      const { fixture, call } = calling();
      const counted = (delta: bigint, key = 'n') =>
        call('dragoman_shared_data_increment', increment(delta, 0, key));
      assert.deepEqual(counted(5n), { status: 0, result: number(5n) });
      assert.deepEqual(counted(-7n), { status: 0, result: number(-2n) });
      fixture.host.sharedData.set('vm', 'text', Buffer.from('text'), 0);
      assert.equal(counted(1n, 'text').status, Status.BadArgument);
      assert.equal(call('dragoman_shared_data_increment', number(1n)).status, Status.BadArgument);
    });

    test('delete takes a cas; keys lists those with a prefix', () => {
      const { fixture, call } = calling();
      const { sharedData } = fixture.host;
      for (const key of ['a/1', 'a/2', 'b']) sharedData.set('vm', key, Buffer.from(key), 0);
      const keys = (prefix: string) => call('dragoman_shared_data_keys', prefix).result.toString('latin1');
      assert.ok(keys('a/').includes('a/1') && keys('a/').includes('a/2') && !keys('a/').includes('b'));
      assert.equal(call('dragoman_shared_data_keys', 'none').result.readUInt32LE(0), 0);
      const remove = (cas: number, key: string) => {
        const head = Buffer.alloc(4);
        head.writeUInt32LE(cas);
        return call('dragoman_shared_data_delete', Buffer.concat([head, Buffer.from(key)])).status;
      };
      const { cas } = sharedData.get('vm', 'b')!;
      assert.equal(remove(cas + 1, 'b'), Status.CasMismatch);
      assert.equal(remove(cas, 'b'), Status.Ok);
      assert.equal(remove(0, 'b'), Status.NotFound);
      assert.equal(call('dragoman_shared_data_delete', 'abc').status, Status.BadArgument);
    });

    test('keys that the rules close are neither listed nor removed nor counted', () => {
      const { fixture, call } = calling({ vm: { sanitization: { sharedData: ['mine/*'] } } });
      const { sharedData } = fixture.host;
      for (const key of ['mine/1', 'other']) sharedData.set('vm', key, Buffer.from(key), 0);
      assert.ok(!call('dragoman_shared_data_keys', '').result.toString('latin1').includes('other'));
      assert.equal(call('dragoman_shared_data_delete', '\0\0\0\0other').status, Status.InternalFailure);
      assert.equal(
        call('dragoman_shared_data_increment', increment(1n, 0, 'other')).status,
        Status.InternalFailure,
      );
      assert.equal(call('dragoman_shared_data_increment', increment(1n, 0, 'mine/n')).status, Status.Ok);
    });
  });
});
