import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StreamInfo } from '../filter-chain/stream-info.ts';
import { decoded, formatInput, request, response } from '../route/test-fixture.ts';
import type { FormatInput } from './format-input.ts';
import { compileFormat, operatorNames } from './formatter.ts';
import { ResponseFlag } from './response-flags.ts';
import { compileSubstitutionFormat } from './substitution-format.ts';

function text(format: string, input: FormatInput = formatInput()): string {
  return compileFormat(format).format(input, 'DownstreamEnd');
}

const input = formatInput({
  requestHeaders: request('/app?q=1&r=a%20b', {
    'user-agent': 'test/1.0',
    'x-envoy-original-path': '/old?x',
  }),
  responseHeaders: response(200, { 'x-answer': '42' }),
  info: {
    startTimeWallMs: Date.UTC(2024, 1, 3, 4, 5, 6, 78),
    startMs: 1000,
    endMs: 1042.9,
    protocol: 'HTTP/1.1',
    responseCode: 200,
    responseCodeDetails: 'via upstream',
    bytesSent: 2,
    downstreamRemoteAddress: '9.8.7.6',
    connection: {
      remoteAddress: '127.0.0.1',
      remotePort: 5000,
      localAddress: '::1',
      localPort: 80,
      id: 7,
      tls: null,
      requestedServerName: '',
    },
    upstreamTransportFailureReason: 'delayed connect error: Connection refused',
    dynamicMetadata: { ns: { key: 'v', deep: { list: [1, true] } } },
  },
});

test('operators in text', () => {
  const cases: [format: string, expected: string][] = [
    ['%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%', 'GET /old?x HTTP/1.1'],
    ['%REQ(x-none?user-agent):3% %REQ(host)%', 'tes proxy.test'],
    ['[%REQ(x-none)%] [%RESP(X-ANSWER)%] [%TRAILER(x)%]', '[-] [42] [-]'],
    ['%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%', '200 - -'],
    ['%RESPONSE_CODE_DETAILS% %RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%', 'via_upstream via upstream'],
    ['%BYTES_SENT% %DURATION% %REQUEST_DURATION%', '2 42 -'],
    ['%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS%', '9.8.7.6:0 127.0.0.1:5000'],
    ['%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_PORT% %CONNECTION_ID%', '[::1]:80 80 7'],
    ['%UPSTREAM_TRANSPORT_FAILURE_REASON%', 'delayed_connect_error:_Connection_refused'],
    ['%UPSTREAM_HOST% %UPSTREAM_CLUSTER% %ROUTE_NAME%', '- - -'],
    ['%START_TIME%', '2024-02-03T04:05:06.078Z'],
    ['%START_TIME(%Y/%m/%d %H:%M:%S.%3f %s)%', '2024/02/03 04:05:06.078 1706933106'],
    ['%START_TIME(%a, %e %b %y %I%p %j %z)%', 'Sat,  3 Feb 24 04AM 034 +0000'],
    [
      '%DYNAMIC_METADATA(ns:key)% %DYNAMIC_METADATA(ns:deep)% %DYNAMIC_METADATA(ns:no)%',
      'v {"list":[1,true]} -',
    ],
    ['%QUERY_PARAM(r)% %QUERY_PARAM(s)% %PATH(NQ:PATH)% %PATH%', 'a b - /app /old?x'],
    ['%ACCESS_LOG_TYPE% 100%%', 'DownstreamEnd 100%'],
    ['%ENVIRONMENT(NO_SUCH_VARIABLE)%', '-'],
    ['%COALESCE({"operators": [{"command": "REQ", "param": "x-none"}, "PROTOCOL"]})%', 'HTTP/1.1'],
    ['%COMMON_DURATION(DS_RX_BEG:DS_RX_END:ms)%', '-'],
  ];
  for (const [format, expected] of cases) assert.equal(text(format, input), expected, format);
});

test('without headers every header operator is absent', () => {
  assert.equal(text('%REQ(:METHOD)% %REQ(X?:PATH)% %RESP(a)% %PATH% %GRPC_STATUS%'), '- - - - -');
});

test("mistakes are named in Envoy's words", () => {
  const mistakes: [format: string, message: string][] = [
    ['50%', "Incorrect configuration: 50%. Couldn't find valid command at position 2"],
    ['a %REQ(', "Incorrect configuration: a %REQ(. Couldn't find valid command at position 2"],
    ['%NOPE%', 'Not supported field in StreamInfo: NOPE'],
    ['%REQ%', 'REQ requires parameters'],
    ['%PROTOCOL(x)%', 'PROTOCOL does not take any parameters'],
    ['%PROTOCOL:3%', 'PROTOCOL does not allow length to be specified.'],
    ['%REQ(a?b?c)%', 'More than 1 alternative header specified in token: a?b?c'],
  ];
  for (const [format, message] of mistakes) assert.throws(() => compileFormat(format), { message });
});

test('response flags are shown in the order they were set', () => {
  const info = new StreamInfo();
  info.addResponseFlag(ResponseFlag.UpstreamRetryLimitExceeded);
  info.addResponseFlag(ResponseFlag.UpstreamRequestTimeout);
  info.addResponseFlag(ResponseFlag.UpstreamRetryLimitExceeded);
  assert.equal(text('%RESPONSE_FLAGS%', formatInput({ info })), 'URX,UT');
  assert.equal(
    text('%RESPONSE_FLAGS_LONG%', formatInput({ info })),
    'UpstreamRetryLimitExceeded,UpstreamRequestTimeout',
  );
  const all = new StreamInfo();
  for (const flag of Object.values(ResponseFlag)) all.addResponseFlag(flag);
  assert.equal(text('%RESPONSE_FLAGS%', formatInput({ info: all })).split(',').length, 30);
});

test('gRPC status from trailers, headers or the HTTP status', () => {
  const grpc = request('/', { 'content-type': 'application/grpc' });
  const status = (headers: Record<string, string>, responseCode: number): string =>
    text(
      '%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%',
      formatInput({ requestHeaders: grpc, responseHeaders: response(200, headers), info: { responseCode } }),
    );
  assert.equal(status({ 'grpc-status': '4' }, 200), 'DeadlineExceeded DEADLINE_EXCEEDED 4');
  assert.equal(status({}, 503), 'Unavailable UNAVAILABLE 14');
});

function json(format: unknown, settings: Record<string, unknown> = {}): string {
  const config = decoded('envoy.config.core.v3.SubstitutionFormatString', {
    json_format: format,
    ...settings,
  });
  return compileSubstitutionFormat(config).formatter.format(input, 'DownstreamEnd');
}

test('JSON formats: types kept, keys sorted, one line', () => {
  const line = json({
    method: '%REQ(:METHOD)%',
    code: '%RESPONSE_CODE%',
    mixed: 'code %RESPONSE_CODE%',
    none: '%REQ(x-none)%',
    'none mixed': '[%REQ(x-none)%]',
    nested: { list: ['%PROTOCOL%', 'constant'], bytes: '%BYTES_SENT%' },
    number: 7,
    flag: true,
    object: '%DYNAMIC_METADATA(ns:deep)%',
  });
  assert.equal(
    line,
    '{"code":200,"flag":true,"method":"GET","mixed":"code 200","nested":{"bytes":2,"list":["HTTP/1.1","constant"]},' +
      '"none":null,"none mixed":"[-]","number":7,"object":{"list":[1,true]}}\n',
  );
  assert.equal(
    json({ a: '%REQ(x-none)%', b: '%PROTOCOL%' }, { omit_empty_values: true }),
    '{"b":"HTTP/1.1"}\n',
  );
});

test('text formats of SubstitutionFormatString', () => {
  const compile = (config: Record<string, unknown>) =>
    compileSubstitutionFormat(decoded('envoy.config.core.v3.SubstitutionFormatString', config));
  assert.equal(
    compile({ text_format: 'a%REQ(x-none)%b', omit_empty_values: true }).formatter.format(input),
    'ab',
  );
  assert.equal(
    compile({ text_format_source: { inline_string: '%PROTOCOL%' } }).formatter.format(input),
    'HTTP/1.1',
  );
  assert.equal(compile({ text_format: 'x' }).contentType, 'text/plain');
  assert.equal(compile({ json_format: {} }).contentType, 'application/json');
  assert.equal(compile({ text_format: 'x', content_type: 'text/html' }).contentType, 'text/html');
});

test('non-ASCII text of the configuration is written as UTF-8 bytes', () => {
  assert.equal(Buffer.from(text('é%PROTOCOL%', input), 'latin1').toString('utf8'), 'éHTTP/1.1');
  assert.equal(Buffer.from(json({ ü: 'ö%PROTOCOL%' }), 'latin1').toString('utf8'), '{"ü":"öHTTP/1.1"}\n');
});

test('text without percent signs stays as it is, and doubled ones become single', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme-ascii' }), plain => {
      assert.equal(text(plain.replaceAll('%', '%%')), plain);
    }),
  );
});

test('a format is compiled or refused, never half understood', () => {
  const pieces = fc.constantFrom('%', 'REQ', '(', ')', ':', '3', 'a', '?', ...operatorNames());
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 8 }), parts => {
      const format = parts.join('');
      let compiled: ReturnType<typeof compileFormat>;
      try {
        compiled = compileFormat(format);
      } catch (error) {
        assert.ok(error instanceof Error && error.message !== '');
        return;
      }
      assert.equal(typeof compiled.format(input, 'NotSet'), 'string');
    }),
    { numRuns: 1000 },
  );
});
