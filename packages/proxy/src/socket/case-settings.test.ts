// header_key_format on real connections: who sees which case of which name. Recorded from Envoy 1.40.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScriptedServer } from '@dragoman/testkit';
import { WorkerFixture } from '../testing/worker-fixture.ts';

const PRESERVE = {
  header_key_format: {
    stateful_formatter: {
      name: 'preserve_case',
      typed_config: {
        '@type':
          'type.googleapis.com/envoy.extensions.http.header_formatters.preserve_case.v3.PreserveCaseFormatterConfig',
        forward_reason_phrase: true,
      },
    },
  },
};
const WORDS = { header_key_format: { proper_case_words: {} } };

async function exchange(client: object, cluster: object, parts: readonly string[]) {
  let seen: readonly string[] = [];
  const upstream = await ScriptedServer.listen(async connection => {
    seen = (await connection.readMessage()).headerLines;
    connection.send('HTTP/1.1 200 Fine\r\nX-Own');
    connection.send('-THING: 1\r\nContent-LENGTH: 2\r\n\r\nok');
  });
  const worker = await WorkerFixture.start({
    clusters: { app: upstream.port },
    manager: { http_protocol_options: client },
    cluster: { http_protocol_options: cluster },
  });
  const connection = await worker.connect();
  for (const part of parts) {
    connection.send(part);
    await new Promise(setImmediate);
  }
  const answer = await connection.readMessage();
  connection.close();
  worker.close();
  await upstream.close();
  const names = (lines: readonly string[]) => lines.map(line => line.slice(0, line.indexOf(':')));
  return { request: names(seen), response: names(answer.headerLines), startLine: answer.startLine };
}

test('preserve_case keeps the names of the side that is configured to, also when heads come in pieces', async () => {
  const both = await exchange(PRESERVE, PRESERVE, [
    'GET / HTTP/1.1\r\nHOST: a\r\nX-Foo',
    'BAR: 1\r\nx-foobar: 2\r\n\r\n',
  ]);
  assert.deepEqual(both.request.slice(0, 4), ['HOST', 'X-FooBAR', 'X-FooBAR', 'x-forwarded-proto']);
  assert.deepEqual(both.response.slice(0, 2), ['X-Own-THING', 'Content-LENGTH']);
  assert.equal(both.startLine, 'HTTP/1.1 200 Fine');
  const one = await exchange(PRESERVE, {}, ['GET / HTTP/1.1\r\nHOST: a\r\n\r\n']);
  assert.equal(one.request[0], 'HOST');
  assert.equal(one.response[0], 'x-own-thing');
  assert.equal(one.startLine, 'HTTP/1.1 200 OK');
});

test('proper_case_words: names as words, where they go out', async () => {
  const { request, response } = await exchange(WORDS, WORDS, ['GET / HTTP/1.1\r\nhost: a\r\n\r\n']);
  assert.deepEqual(request.slice(0, 3), ['Host', 'X-Forwarded-Proto', 'X-Request-Id']);
  assert.deepEqual(response.slice(0, 2), ['X-Own-Thing', 'Content-Length']);
});
