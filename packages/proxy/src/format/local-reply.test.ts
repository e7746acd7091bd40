import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyRuntime } from '../route/runtime-fraction.ts';
import { decoded, formatInput, lines, request, response } from '../route/test-fixture.ts';
import { compileLocalReplyConfig } from './local-reply.ts';

function apply(config: Record<string, unknown>, status: number, body: string) {
  const compiled = compileLocalReplyConfig(
    decoded('envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig', config),
    emptyRuntime,
  );
  const headers = response(status);
  const reply = compiled.apply(formatInput({ requestHeaders: request('/p') }), headers, body);
  return { status: headers.status, lines: lines(headers), text: reply.body.toString(), ...reply };
}

const is = (code: number) => ({
  status_code_filter: { comparison: { op: 'EQ', value: { default_value: code, runtime_key: 'x' } } },
});

test('the first mapper that takes a reply changes status, headers and body', () => {
  const config = {
    mappers: [
      { filter: is(503), status_code: 418, body: { inline_string: 'first' } },
      { filter: is(503), status_code: 419 },
      {
        filter: is(404),
        status_code: 410,
        headers_to_add: [{ header: { key: 'x-code', value: '%RESPONSE_CODE%' } }],
        body_format_override: {
          text_format: 'gone %RESPONSE_CODE% %LOCAL_REPLY_BODY%',
          content_type: 'text/html',
        },
      },
    ],
  };
  const first = apply(config, 503, 'down');
  assert.deepEqual(
    [first.status, first.text, first.contentType, first.changed],
    [418, 'first', 'text/plain', true],
  );
  const override = apply(config, 404, 'nothing here');
  assert.deepEqual(
    [override.status, override.text, override.contentType, override.lines],
    [410, 'gone 410 nothing here', 'text/html', ['x-code: 404']],
  );
  const other = apply(config, 400, 'bad');
  assert.deepEqual([other.status, other.text, other.changed], [400, 'bad', false]);
});

test('a JSON body format covers empty bodies, too', () => {
  const config = {
    body_format: {
      json_format: { text: '%LOCAL_REPLY_BODY%', code: '%RESPONSE_CODE%', path: '%REQ(:PATH)%' },
    },
  };
  const reply = apply(config, 404, '');
  assert.equal(reply.text, '{"code":404,"path":"/p","text":""}\n');
  assert.equal(reply.contentType, 'application/json');
});

test('a content type of the mapper itself is kept, whatever its format says', () => {
  const config = {
    mappers: [
      {
        filter: is(503),
        body: { inline_string: 'first' },
        headers_to_add: [
          {
            header: { key: 'content-type', value: 'text/x' },
            append_action: 'OVERWRITE_IF_EXISTS_OR_ADD',
          },
        ],
      },
    ],
    body_format: { text_format: '<%LOCAL_REPLY_BODY%>', content_type: 'text/html' },
  };
  const reply = apply(config, 503, 'down');
  assert.deepEqual([reply.text, reply.contentType], ['<first>', 'text/x']);
});
