import assert from 'node:assert/strict';
import { constants, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { test } from 'node:test';
import { type AsyncRequest, type AsyncResponse, HeadersStatus, type HttpFilterType } from '@dragoman/proxy';
import fc from 'fast-check';
import { decoded, lines, request, response, TestBench } from '../test-stream.ts';
import { parseJwt } from './jwt.ts';
import { jwtAuthnFilterType } from './jwt-authn.ts';

const type = jwtAuthnFilterType as unknown as HttpFilterType<never, never>;
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');
const secret = Buffer.from('a secret that both sides know of');

const jwk = (key: KeyObject, fields: object = {}): object => ({
  ...key.export({ format: 'jwk' }),
  ...fields,
});
const jwks = (...keys: object[]): string => JSON.stringify({ keys });
const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function signature(alg: string, text: string): Buffer {
  const bytes = Buffer.from(text);
  if (alg === 'HS256') return createHmac('sha256', secret).update(bytes).digest();
  if (alg === 'EdDSA') return sign(null, bytes, ed.privateKey);
  if (alg === 'ES256') return sign('sha256', bytes, { key: ec.privateKey, dsaEncoding: 'ieee-p1363' });
  if (alg === 'PS256')
    return sign('sha256', bytes, {
      key: rsa.privateKey,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: 32,
    });
  return sign('sha256', bytes, rsa.privateKey);
}

function token(payload: object = {}, header: { alg?: string; kid?: string } = {}): string {
  const { alg = 'RS256' } = header;
  const text = `${encode({ alg, typ: 'JWT', ...header })}.${encode({ iss: 'issuer', sub: 'alice', ...payload })}`;
  return `${text}.${signature(alg, text).toString('base64url')}`;
}

const provider = (settings: object = {}): object => ({
  issuer: 'issuer',
  local_jwks: { inline_string: jwks(jwk(rsa.publicKey)) },
  ...settings,
});
const oneProvider = (settings: object = {}, others: object = {}): object => ({
  providers: { main: provider(settings) },
  rules: [{ match: { prefix: '/' }, requires: { provider_name: 'main' } }],
  ...others,
});

interface Asked {
  path?: string;
  method?: string;
  headers?: Record<string, string | string[]>;
  route?: object;
  bench?: TestBench;
}

function run(
  config: object,
  { path = '/', method = 'GET', headers, route, bench = new TestBench() }: Asked = {},
) {
  const requestHeaders = request(path, headers);
  requestHeaders.method = method;
  const stream = bench.stream(
    requestHeaders,
    ...(route === undefined ? [] : [bench.routeConfig(type, route)]),
  );
  const filter = bench.instance(type, config).createFilter(stream.asStream);
  const status = filter?.decodeHeaders?.(stream.asStream, requestHeaders, true);
  return {
    bench,
    stream,
    filter,
    status,
    reply: stream.replies[0],
    lines: lines(requestHeaders),
    requestHeaders,
  };
}

const bearer = (text: string): Asked => ({ headers: { authorization: `Bearer ${text}` } });

test('a good token passes and is taken out; without one the answer is 401', () => {
  const good = run(oneProvider(), bearer(token()));
  assert.equal(good.status, HeadersStatus.Continue);
  assert.deepEqual(good.lines, []);
  const bad = run(oneProvider(), { path: '/a?b=c' });
  assert.deepEqual(bad.reply, {
    status: 401,
    body: 'Jwt is missing',
    details: 'jwt_authn_access_denied{Jwt_is_missing}',
    headers: [['www-authenticate', 'Bearer realm="http://proxy.test/a?b=c"']],
    grpcStatus: undefined,
  });
  const counts = (bench: TestBench): number[] =>
    ['allowed', 'denied', 'jwt_cache_miss'].map(name => bench.counter(`http.test.jwt_authn.${name}`));
  assert.deepEqual(
    [counts(good.bench), counts(bad.bench)],
    [
      [1, 0, 1],
      [0, 1, 0],
    ],
  );
});

test('what is wrong with a token is told', () => {
  const now = Math.floor(new TestBench().clock.wallMs() / 1000);
  const good = token();
  const [header, payload] = good.split('.');
  const forged = `${header}.${payload}.${sign('sha256', Buffer.from(`${header}.${payload}`), other.privateKey).toString('base64url')}`;
  const cases: [text: string, answer: string, status?: number][] = [
    [token({ exp: now - 61 }), 'Jwt is expired'],
    [token({ nbf: now + 61 }), 'Jwt not yet valid'],
    [token({ iss: 'else' }), 'Jwt issuer is not configured'],
    [token({ aud: 'else' }), 'Audiences in Jwt are not allowed', 403],
    [forged, 'Jwt verification fails'],
    [
      `${encode({ alg: 'none' })}.${payload}.`,
      'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections',
    ],
    [`${encode({ alg: 'none' })}.${payload}.x`, 'Jwt header [alg] is not supported'],
    [`${encode({})}.${payload}.xx`, 'Jwt header [alg] field is required and must be a string'],
    [`a*.${payload}.xx`, 'Jwt header is an invalid Base64url encoded'],
    [`${header}.${encode([])}.xx`, 'Jwt payload is an invalid JSON'],
    [`${header}.${encode({ exp: 'x' })}.xx`, 'Jwt payload [exp] field is not an integer'],
    ['a.b', 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections'],
  ];
  for (const [text, answer, status = 401] of cases) {
    // The forged token is checked for its audience first.
    const config = oneProvider(text === forged ? {} : { audiences: ['https://mine/'] });
    const { reply } = run(config, bearer(text));
    assert.deepEqual([reply.body, reply.status], [answer, status]);
    assert.match(reply.headers[0][1], /, error="invalid_token"$/);
  }
  assert.equal(
    run(oneProvider({ audiences: ['https://mine/'] }), bearer(token({ aud: ['x', 'mine'] }))).reply,
    undefined,
  );
  assert.equal(run(oneProvider(), bearer(token({ exp: now - 59, nbf: now + 59 }))).reply, undefined);
});

test('each kind of key, for its own algorithms only', () => {
  const keys: Record<string, object> = {
    RS256: jwk(rsa.publicKey),
    PS256: jwk(rsa.publicKey),
    ES256: jwk(ec.publicKey),
    EdDSA: jwk(ed.publicKey),
    HS256: { kty: 'oct', k: secret.toString('base64url') },
  };
  for (const [alg, key] of Object.entries(keys)) {
    const config = oneProvider({ local_jwks: { inline_string: jwks(key) } });
    assert.equal(run(config, bearer(token({}, { alg }))).reply, undefined, alg);
  }
  // The public key as the secret of an HMAC: the oldest trick.
  const text = token().split('.').slice(0, 2);
  text[0] = encode({ alg: 'HS256' });
  const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' });
  const mac = createHmac('sha256', pem).update(text.join('.')).digest('base64url');
  assert.equal(run(oneProvider(), bearer([...text, mac].join('.'))).reply.body, 'Jwt verification fails');
  const named = oneProvider({ local_jwks: { inline_string: jwks(jwk(rsa.publicKey, { kid: 'a' })) } });
  assert.equal(run(named, bearer(token({}, { kid: 'a' }))).reply, undefined);
  assert.equal(
    run(named, bearer(token({}, { kid: 'b' }))).reply.body,
    "Jwks doesn't have key to match kid or alg from Jwt",
  );
  const broken = oneProvider({ local_jwks: { inline_string: '{}' } });
  assert.equal(run(broken, bearer(token())).reply.body, "Jwks doesn't have any valid public key");
});

test('places: parameters, cookies, headers of any name and prefix; all tokens have to be good', () => {
  const places = oneProvider({
    from_headers: [{ name: 'X-Token', value_prefix: 'jwt=' }],
    from_params: ['t'],
    from_cookies: ['c'],
  });
  const byParameter = run(places, { path: `/p?a=1&t=${token()}&b=2` });
  assert.equal(byParameter.requestHeaders.path, '/p?a=1&b=2');
  assert.equal(run(places, { headers: { cookie: `x=y; c=${token()}` } }).reply, undefined);
  assert.equal(run(places, { headers: { 'x-token': `v1 jwt= ${token()}` } }).reply, undefined);
  assert.equal(run(places, bearer(token())).reply.body, 'Jwt is missing');
  assert.notEqual(
    run(places, { path: `/p?t=${token()}`, headers: { 'x-token': 'jwt=a.b.c' } }).reply,
    undefined,
  );
});

test('what a token says goes on: payload, claims, metadata; never from the client', () => {
  const settings = {
    forward: true,
    forward_payload_header: 'x-payload',
    pad_forward_payload_header: true,
    claim_to_headers: [
      { header_name: 'x-sub', claim_name: 'sub' },
      { header_name: 'x-role', claim_name: 'app.role' },
      { header_name: 'x-number', claim_name: 'n' },
    ],
    payload_in_metadata: 'payload',
    header_in_metadata: 'header',
  };
  const text = token({ app: { role: 'admin' }, n: 17 });
  const headers = { authorization: `Bearer ${text}`, 'x-sub': 'mallory', 'x-payload': 'forged' };
  const { lines: sent, stream } = run(oneProvider(settings), { headers });
  const payload = text.split('.')[1];
  assert.deepEqual(sent, [
    `authorization: Bearer ${text}`,
    `x-payload: ${payload}${'='.repeat((4 - (payload.length % 4)) % 4)}`,
    'x-sub: alice',
    'x-role: admin',
    'x-number: 17',
  ]);
  const metadata = stream.info.dynamicMetadata?.['envoy.filters.http.jwt_authn'] as Record<
    string,
    { sub?: string; alg?: string }
  >;
  assert.deepEqual([metadata.payload.sub, metadata.header.alg], ['alice', 'RS256']);
});

test('requirements: any, all, missing, missing or failed', () => {
  const providers = {
    main: provider(),
    second: provider({ issuer: 'second', from_headers: [{ name: 'x-second' }] }),
  };
  const ask = (requires: object, headers: Record<string, string>): string | undefined =>
    run({ providers, rules: [{ match: { prefix: '/' }, requires }] }, { headers }).reply?.body;
  const [main, second] = [{ provider_name: 'main' }, { provider_name: 'second' }];
  const [one, two] = [{ authorization: `Bearer ${token()}` }, { 'x-second': token({ iss: 'second' }) }];
  const expired = { authorization: `Bearer ${token({ exp: 1 })}` };
  const any = { requires_any: { requirements: [main, second] } };
  assert.deepEqual([ask(any, one), ask(any, two)], [undefined, undefined]);
  assert.deepEqual([ask(any, {}), ask(any, expired)], ['Jwt is missing', 'Jwt is expired']);
  const all = { requires_all: { requirements: [main, second] } };
  assert.deepEqual([ask(all, { ...one, ...two }), ask(all, one)], [undefined, 'Jwt is missing']);
  const missing = { requires_any: { requirements: [main, { allow_missing: {} }] } };
  assert.deepEqual([ask(missing, {}), ask(missing, expired)], [undefined, 'Jwt is expired']);
  assert.equal(ask({ allow_missing_or_failed: {} }, expired), undefined);
  const audience = { provider_and_audiences: { provider_name: 'main', audiences: ['a'] } };
  assert.equal(ask(audience, one), 'Audiences in Jwt are not allowed');
});

test('rules: the first that matches counts; routes choose a requirement by name or switch the filter off', () => {
  const config = oneProvider(
    {},
    {
      rules: [
        { match: { path: '/open' } },
        {
          match: { prefix: '/named', headers: [{ name: 'x-a', present_match: true }] },
          requirement_name: 'main',
        },
        { match: { safe_regex: { regex: '/r\\d+' } }, requires: { provider_name: 'main' } },
      ],
      requirement_map: { main: { provider_name: 'main' } },
      bypass_cors_preflight: true,
    },
  );
  const body = (asked: Asked): string | undefined => run(config, asked).reply?.body;
  assert.deepEqual(
    [body({ path: '/open?x' }), body({ path: '/named' }), body({ path: '/else' })],
    [undefined, undefined, undefined],
  );
  assert.equal(body({ path: '/named', headers: { 'x-a': '1' } }), 'Jwt is missing');
  assert.deepEqual([body({ path: '/r12?q' }), body({ path: '/r' })], ['Jwt is missing', undefined]);
  assert.equal(body({ path: '/r1', route: { disabled: true } }), undefined);
  assert.equal(body({ path: '/open', route: { requirement_name: 'main' } }), 'Jwt is missing');
  const wrong = run(config, { path: '/open', route: { requirement_name: 'nobody' } }).reply;
  assert.deepEqual(
    [wrong.status, wrong.body],
    [403, 'Failed JWT authentication: Wrong requirement_name: nobody. It should be one of [main]'],
  );
  const preflight = { origin: 'http://a', 'access-control-request-method': 'PUT' };
  assert.equal(body({ path: '/r1', method: 'OPTIONS', headers: preflight }), undefined);
});

test('a mistake in the configuration is named', () => {
  const found: [string, string][] = [];
  const config = oneProvider(
    {},
    { rules: [{ match: { prefix: '/', grpc: {} }, requires: { provider_name: 'who' } }] },
  );
  jwtAuthnFilterType.validate?.(
    decoded(jwtAuthnFilterType.configTypes[0], config) as never,
    (path, message) => found.push([path, message]),
  );
  assert.deepEqual(found, [
    ['rules.0.requires', "Required provider ['who'] is not configured."],
    ['rules.0.match.grpc', 'is not supported in a rule of jwt_authn'],
  ]);
});

/** A bench whose call-outs are answered by the test. */
function benchWithCalls() {
  const bench = new TestBench();
  const calls: { cluster: string; request: AsyncRequest; onDone: (response: AsyncResponse) => void }[] = [];
  const send = (cluster: string, sent: AsyncRequest, onDone: (response: AsyncResponse) => void) => {
    calls.push({ cluster, request: sent, onDone });
    return { cancel: () => {} };
  };
  Object.assign(bench.context, { asyncClient: { send } });
  const answer = (call: number, status: number, body: string): void =>
    calls[call].onDone({ headers: response(status), body: Buffer.from(body), trailers: null, local: false });
  return { bench, calls, answer };
}

const remote = (settings: object = {}): object => ({
  issuer: 'issuer',
  remote_jwks: {
    http_uri: { uri: 'https://keys.test:8443/jwks', cluster: 'keys', timeout: '1s' },
    ...settings,
  },
});

test('remote keys: requests wait for one fetch, later ones use what it brought', () => {
  const { bench, calls, answer } = benchWithCalls();
  const config = { ...oneProvider(), providers: { main: remote({ cache_duration: '5s' }) } };
  const instance = bench.instance(type, config);
  const ask = () => {
    const headers = request('/', { authorization: `Bearer ${token()}` });
    const stream = bench.stream(headers);
    const filter = instance.createFilter(stream.asStream)!;
    return { stream, filter, status: filter.decodeHeaders?.(stream.asStream, headers, true) };
  };
  const [first, second, gone] = [ask(), ask(), ask()];
  gone.filter.onDestroy?.(gone.stream.asStream);
  assert.deepEqual([first.status, calls.length], [HeadersStatus.StopAllIterationAndWatermark, 1]);
  const { headers } = calls[0].request;
  assert.deepEqual(
    [calls[0].cluster, headers.authority, headers.path, headers.method],
    ['keys', 'keys.test:8443', '/jwks', 'GET'],
  );
  answer(0, 200, jwks(jwk(rsa.publicKey)));
  assert.deepEqual(
    [first, second, gone].map(({ stream }) => stream.decodingContinued),
    [1, 1, 0],
  );
  assert.equal(ask().status, HeadersStatus.Continue);
  bench.clock.advance(6000);
  assert.equal(ask().status, HeadersStatus.StopAllIterationAndWatermark);
  answer(1, 500, '');
  assert.equal(bench.counter('http.test.jwt_authn.jwks_fetch_success'), 1);
  assert.equal(bench.counter('http.test.jwt_authn.jwks_fetch_failed'), 1);
});

test('remote keys that cannot be had: retries, then the request is refused', () => {
  const { bench, calls, answer } = benchWithCalls();
  const config = { ...oneProvider(), providers: { main: remote({ retry_policy: { num_retries: 1 } }) } };
  const { stream } = run(config, { ...bearer(token()), bench });
  answer(0, 503, '');
  assert.equal(stream.replies.length, 0);
  bench.clock.advance(1100);
  assert.equal(calls.length, 2);
  answer(1, 200, 'no json');
  assert.equal(stream.replies[0].body, 'Jwks remote fetch is failed');
});

test('async_fetch: keys are fetched from the start, again before they are old, and nothing is left after close', () => {
  const { bench, calls, answer } = benchWithCalls();
  const config = {
    ...oneProvider(),
    providers: { main: remote({ async_fetch: {}, cache_duration: '60s' }) },
  };
  const instance = bench.instance(type, config);
  bench.clock.advance(2);
  answer(0, 500, '');
  bench.clock.advance(1001);
  answer(1, 200, jwks(jwk(rsa.publicKey)));
  bench.clock.advance(54_000);
  assert.equal(calls.length, 2);
  bench.clock.advance(1001);
  assert.equal(calls.length, 3);
  answer(2, 200, jwks(jwk(rsa.publicKey)));
  instance.close?.();
  assert.equal(bench.context.timers.size, 0);
});

test('a cached token is not verified twice, but its times are checked again', () => {
  const bench = new TestBench();
  const now = Math.floor(bench.clock.wallMs() / 1000);
  const instance = bench.instance(type, oneProvider({ jwt_cache_config: { jwt_cache_size: 2 } }));
  const text = token({ exp: now + 10 });
  const ask = () => {
    const headers = request('/', { authorization: `Bearer ${text}` });
    const stream = bench.stream(headers);
    instance.createFilter(stream.asStream)?.decodeHeaders?.(stream.asStream, headers, true);
    return stream.replies[0]?.body;
  };
  assert.deepEqual([ask(), ask()], [undefined, undefined]);
  assert.equal(bench.counter('http.test.jwt_authn.jwt_cache_hit'), 1);
  bench.clock.advance(75_000);
  assert.equal(ask(), 'Jwt is expired');
});

test('no text breaks the parser, and only three parts make a token', () => {
  fc.assert(
    fc.property(fc.string(), text => {
      const parsed = parseJwt(text);
      if (typeof parsed !== 'number') assert.equal(text.split('.').length, 3);
    }),
  );
});
