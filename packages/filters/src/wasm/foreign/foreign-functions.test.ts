import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Status } from '@dragoman/abi';
import { writeField } from '@dragoman/vm';
import { PuppetWorker } from '../testing/puppet-worker.ts';

/** Id of the first context that is announced. */
const FIRST_ROOT = 1;

let worker: PuppetWorker;
/** What the plugin does with the next request's headers. */
let inRequest: () => void = () => {};

before(async () => {
  worker = await PuppetWorker.start();
  worker.puppet.on.proxy_on_request_headers = () => {
    inRequest();
    return 0;
  };
});

after(() => worker.close());

beforeEach(() => {
  inRequest = () => {};
});

function call(name: string, args: string | Buffer): { status: number; result: Buffer } {
  const { puppet } = worker;
  puppet.clearSlots();
  const status = puppet.call('proxy_call_foreign_function', name, args, puppet.slot(0), puppet.slot(1));
  const untouched = puppet.u32(1) === 0xeeeeeeee;
  return { status, result: untouched ? Buffer.alloc(0) : Buffer.from(puppet.text(), 'latin1') };
}

function property(path: string): string | number {
  const { puppet } = worker;
  puppet.clearSlots();
  const status = puppet.call('proxy_get_property', path, puppet.slot(0), puppet.slot(1));
  return status === 0 ? puppet.text() : status;
}

/** Sends one request on `connection`, or on one of its own, and runs `inside` in its headers callback. */
async function request(inside: () => void, connection?: Awaited<ReturnType<PuppetWorker['connect']>>) {
  let failure: unknown;
  inRequest = () => {
    try {
      inside();
    } catch (error) {
      failure = error;
    }
  };
  const client = connection ?? (await worker.connect());
  client.send('GET /path?q=1 HTTP/1.1\r\nhost: example.org\r\nx-a: one\r\n\r\n');
  await client.readMessage();
  if (connection === undefined) client.socket.destroy();
  if (failure !== undefined) throw failure;
}

const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};

/** A value in hexadecimal digits. */
const hex = (text: string): string => Buffer.from(evaluate(text) as Buffer).toString('hex');
/** A value byte by byte. */
const latin1 = (text: string): string => Buffer.from(evaluate(text) as Buffer).toString('latin1');

/** The value, or the status where it is not OK. */
function evaluate(text: string): Buffer | number {
  const created = call('expr_create', Buffer.from(text));
  if (created.status !== 0) return created.status;
  const { status, result } = call('expr_evaluate', created.result);
  call('expr_delete', created.result);
  return status === 0 ? result : status;
}

describe('expressions', () => {
  const yes = Buffer.from([1]);

  test('attributes in expressions: headers, numbers, times, what is not there', async () => {
    await request(() => {
      assert.deepEqual(evaluate('request.headers["x-a"] == "one" && request.method == "GET"'), yes);
      assert.deepEqual(evaluate('request.path.startsWith("/path") && request.query == "q=1"'), yes);
      assert.deepEqual(evaluate('source.port > 0 && size(request.headers) > 3'), yes);
      assert.deepEqual(evaluate('request.time > timestamp("2020-01-01T00:00:00Z")'), yes);
      assert.deepEqual(evaluate('has(request.nothing)'), Buffer.from([0]));
      assert.deepEqual(evaluate('plugin_name + "/" + plugin_root_id'), Buffer.from('plugin/root'));
      assert.deepEqual(hex('request.host.size() + 1'), '0c00000000000000');
      assert.deepEqual(evaluate('"é"'), Buffer.from('é'));
      assert.deepEqual(hex('duration("1s")'), '00ca9a3b00000000');
    });
  });

  test('lists and maps have the encoding of properties', async () => {
    await request(() => {
      assert.deepEqual(latin1('{"a": "b"}'), '\x01\0\0\0\x01\0\0\0\x01\0\0\0a\0b\0');
      assert.deepEqual(latin1('["x"]'), '\x01\0\0\0\x01\0\0\0\0\0\0\0x\0\0');
    });
  });

  test('what does not compile, does not evaluate, has no encoding, does not exist', async () => {
    await request(() => {
      assert.equal(evaluate('request.'), Status.BadArgument);
      assert.equal(evaluate('nobody_knows(1)'), Status.BadArgument);
      assert.equal(evaluate('request'), Status.SerializationFailure);
      assert.equal(evaluate('1 / 0'), Status.InternalFailure);
      assert.equal(evaluate('request.nothing == 1'), Status.InternalFailure);
      assert.equal(evaluate('null'), Status.SerializationFailure);
      assert.equal(call('expr_evaluate', u32(4711)).status, Status.NotFound);
      assert.equal(call('expr_evaluate', 'abc').status, Status.BadArgument);
      assert.equal(call('expr_delete', 'abc').status, Status.BadArgument);
      assert.equal(call('expr_delete', u32(4711)).status, Status.Ok);
    });
  });

  test('an expression lives with its root: one request makes it, another evaluates it', async () => {
    let token: Buffer = Buffer.alloc(0);
    await request(() => {
      token = call('expr_create', 'request.url_path').result;
    });
    await request(() => {
      assert.deepEqual(call('expr_evaluate', token), { status: 0, result: Buffer.from('/path') });
      assert.equal(call('expr_delete', token).status, 0);
      assert.equal(call('expr_evaluate', token).status, Status.NotFound);
    });
  });
});

describe('properties that are declared', () => {
  const declare = (name: string, ...fields: Buffer[]): number =>
    call('declare_property', Buffer.concat([writeField(1, Buffer.from(name)), ...fields])).status;
  const set = (name: string, value: string): number => worker.puppet.call('proxy_set_property', name, value);
  const onRoot = async (inside: () => void): Promise<void> => {
    worker.puppet.on.proxy_on_tick = () => {
      worker.puppet.call('proxy_set_tick_period_milliseconds', 0);
      inside();
    };
    const ticks = worker.puppet.trace.filter(line => line.startsWith('proxy_on_tick(')).length;
    await request(() => void worker.puppet.call('proxy_set_tick_period_milliseconds', 1));
    await worker.traced('proxy_on_tick', ticks + 1);
  };

  test('read-only: the first value stays; a name is declared once; nonsense is BAD_ARGUMENT', async () => {
    const statuses: number[] = [];
    await onRoot(() => {
      statuses.push(declare('once', writeField(2, true)), declare('once'));
      statuses.push(call('declare_property', Buffer.from([0xff])).status);
    });
    assert.deepEqual(statuses, [Status.Ok, Status.BadArgument, Status.BadArgument]);
    await request(() => {
      assert.deepEqual([set('once', 'a'), set('once', 'b')], [Status.Ok, Status.BadArgument]);
      assert.equal(property('once'), 'a');
    });
  });

  test('a stream can declare a name anew: declarations made on one end with it, and bind nobody', async () => {
    const connection = await worker.connect();
    for (let i = 0; i < 2; i++)
      await request(() => {
        assert.deepEqual(
          [declare('fleeting', writeField(2, true)), declare('fleeting')],
          [0, Status.BadArgument],
        );
        assert.deepEqual([set('fleeting', 'a'), set('fleeting', 'b')], [0, 0]);
      }, connection);
    connection.socket.destroy();
  });

  test('in expressions a value is bytes, or text where it is declared as a String', async () => {
    await onRoot(() => void declare('words', writeField(3, 1)));
    await request(() => {
      assert.deepEqual([set('words', 'text'), set('undeclared', 'text')], [0, 0]);
      assert.equal(hex("words == 'text' && undeclared == b'text'"), '01');
    });
  });

  test('a value lives as long as its request, or as its connection where that is declared', async () => {
    await onRoot(() => void declare('kept', writeField(5, 2)));
    const client = await worker.connect();
    await request(() => {
      assert.deepEqual([set('kept', 'k'), set('gone', 'g')], [0, 0]);
      assert.deepEqual([property('kept'), property('gone')], ['k', 'g']);
    }, client);
    await request(() => {
      assert.deepEqual([property('kept'), property('gone')], ['k', Status.NotFound]);
      assert.equal(property('filter_state\0wasm.kept'), 'k');
    }, client);
    client.socket.destroy();
    await request(() => assert.equal(property('kept'), Status.NotFound));
  });

  test('set_envoy_filter_state keeps texts under names that Envoy knows, at the effective context', async () => {
    await request(() => {
      const state = (path: string) =>
        call(
          'set_envoy_filter_state',
          Buffer.concat([writeField(1, Buffer.from(path)), writeField(2, Buffer.from('text'))]),
        ).status;
      assert.equal(state('envoy.string'), Status.Ok);
      assert.equal(property('filter_state\0envoy.string'), 'text');
      assert.equal(state('nobody.knows'), Status.NotFound);
      assert.equal(call('set_envoy_filter_state', Buffer.from([0xff])).status, Status.BadArgument);
    });
    const ofRoot = writeField(1, Buffer.from('envoy.string'));
    await request(() => {
      assert.equal(worker.puppet.call('proxy_set_effective_context', FIRST_ROOT), Status.Ok);
      assert.equal(call('set_envoy_filter_state', ofRoot).status, Status.NotFound);
    });
    const statuses: number[] = [];
    await onRoot(
      () =>
        void statuses.push(call('set_envoy_filter_state', writeField(1, Buffer.from('envoy.string'))).status),
    );
    assert.deepEqual(statuses, [Status.NotFound]);
  });
});
