import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpFilterType } from '@dragoman/proxy';
import { lines, request, response, TestBench } from '../test-stream.ts';
import { headerMutationFilterType } from './header-mutation.ts';

const type = headerMutationFilterType as unknown as HttpFilterType<never, never>;
const append = (key: string, value: string, append_action = 'APPEND_IF_EXISTS_OR_ADD') => ({
  append: { header: { key, value }, append_action },
});

function run(config: Record<string, unknown>, headers = request('/'), ...levels: Record<string, unknown>[]) {
  const bench = new TestBench();
  const routes = levels.map(level => bench.routeConfig(type, { mutations: level }));
  const stream = bench.stream(headers, ...routes);
  const filter = bench.instance(type, config).createFilter(stream.asStream);
  filter?.decodeHeaders?.(stream.asStream, headers, true);
  stream.responseHeaders = response(200, { 'x-old': '1', 'x-gone': '1' });
  filter?.encodeHeaders?.(stream.asStream, stream.responseHeaders, true);
  return { request: lines(headers), path: headers.path, response: lines(stream.responseHeaders) };
}

test('mutations run one after the other', () => {
  const result = run(
    {
      mutations: {
        request_mutations: [
          { remove: 'x-client' },
          append('x-added', 'global'),
          append('x-method', '%REQ(:METHOD)%', 'OVERWRITE_IF_EXISTS_OR_ADD'),
        ],
        response_mutations: [
          { remove: 'x-gone' },
          append('x-old', '2', 'OVERWRITE_IF_EXISTS'),
          append('x-new', 'a', 'ADD_IF_ABSENT'),
          append('x-new', 'b', 'ADD_IF_ABSENT'),
        ],
      },
    },
    request('/', { 'x-client': '1', 'x-added': 'client' }),
  );
  assert.deepEqual(result.request, ['x-added: client', 'x-added: global', 'x-method: GET']);
  assert.deepEqual(result.response, ['x-old: 2', 'x-new: a']);
});

test('route levels follow the own mutations, the least specific last unless told otherwise', () => {
  const own = { mutations: { request_mutations: [append('x', 'own')] } };
  const table = { request_mutations: [append('x', 'table')] };
  const route = { request_mutations: [append('x', 'route')] };
  assert.deepEqual(run(own, request('/'), table, route).request, ['x: own', 'x: route', 'x: table']);
  const most = { ...own, most_specific_header_mutations_wins: true };
  assert.deepEqual(run(most, request('/'), table, route).request, ['x: own', 'x: table', 'x: route']);
});

test('headers are removed by the look of their names', () => {
  const config = {
    mutations: { request_mutations: [{ remove_on_match: { key_matcher: { prefix: 'x-internal-' } } }] },
  };
  const headers = request('/', { 'x-internal-a': '1', 'x-internal-b': ['2', '3'], 'x-b': '4' });
  assert.deepEqual(run(config, headers).request, ['x-b: 4']);
});

test('query parameters', () => {
  const set = (key: string, value: string, action: string) => ({
    append: { record: { key, value }, action },
  });
  const query_parameter_mutations = [
    { remove: 'gone' },
    set('a', '%REQ(:METHOD)% x', 'APPEND_IF_EXISTS_OR_ADD'),
    set('b', 'new', 'OVERWRITE_IF_EXISTS_OR_ADD'),
    set('c', 'no', 'OVERWRITE_IF_EXISTS'),
    set('a', 'no', 'ADD_IF_ABSENT'),
  ];
  const config = { mutations: { query_parameter_mutations } };
  assert.equal(run(config, request('/p?a=1&gone=1&b=%20&gone=2')).path, '/p?a=1&a=GET%20x&b=new');
  assert.equal(
    run({ mutations: { query_parameter_mutations: [{ remove: 'a' }] } }, request('/p?a')).path,
    '/p',
  );
});

test('the path may be changed, and a wrong format is told when the configuration is checked', () => {
  const config = {
    mutations: { request_mutations: [append(':path', '/new', 'OVERWRITE_IF_EXISTS_OR_ADD')] },
  };
  assert.equal(run(config).path, '/new');
  const told: string[] = [];
  headerMutationFilterType.validate?.(
    {
      mutations: {
        requestMutations: [
          {
            append: {
              header: { key: 'x', value: '50%', rawValue: new Uint8Array() },
              appendAction: 'APPEND_IF_EXISTS_OR_ADD',
              keepEmptyValue: false,
            },
          },
        ],
        responseMutations: [],
        queryParameterMutations: [],
        requestTrailersMutations: [],
        responseTrailersMutations: [],
      },
      mostSpecificHeaderMutationsWins: false,
    },
    (path, message) => told.push(`${path}: ${message}`),
  );
  assert.deepEqual(told, [
    "mutations: Incorrect configuration: 50%. Couldn't find valid command at position 2",
  ]);
});
