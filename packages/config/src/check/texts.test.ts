import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorsOf } from '../../fixtures/sample.ts';
import { brokenRegex, captureGroups } from './regex.ts';

test('regexes are RE2: what it knows is accepted, what it lacks is refused in its words', () => {
  for (const good of ['a+', '(?i)x', '(?P<n>y)', '\\z', '\\pL', '[[:alpha:]]', '(?s:.)'])
    assert.equal(brokenRegex(good), null, good);
  assert.equal(brokenRegex('/(?=a)'), 'invalid perl operator: (?=');
  assert.equal(brokenRegex('('), 'missing ): (');
  assert.match(brokenRegex('[a')!, /^missing \]/);
  assert.match(brokenRegex('*')!, /^no argument for repetition operator/);
  assert.match(brokenRegex('(a)\\1')!, /^invalid escape sequence/);
});

test('capture groups are counted', () => {
  const counts: Record<string, number> = {
    a: 0,
    '(a)(?:b)(?P<c>d)(?<e>f)': 3,
    '\\((a)[(]': 1,
    '[^]()](x)': 1,
    '(?i)(x)': 1,
  };
  for (const [pattern, count] of Object.entries(counts)) assert.equal(captureGroups(pattern), count, pattern);
});

test('a regex anywhere in the file is checked', () => {
  assert.deepEqual(
    errorsOf(({ route }) => {
      route.match = { safe_regex: { regex: '/(?=a)' } };
    }),
    ['HCM.route_config.virtual_hosts[0].routes[0].match.safe_regex.regex: invalid perl operator: (?='],
  );
});

test('a substitution names groups that exist', () => {
  const rewrite = (substitution: string) =>
    errorsOf(({ route }) => {
      route.route.regex_rewrite = { pattern: { regex: '^/(a)' }, substitution };
    });
  assert.deepEqual(rewrite('\\1 \\0 \\\\'), []);
  assert.match(rewrite('\\2')[0]!, /invalid substitution: \\2 but the regex has 1 group/);
  assert.match(rewrite('\\x')[0]!, /backslashes escape a digit or a backslash only/);
});

test('format strings go to the hook: header values, log formats, JSON formats, sources', () => {
  const seen: string[] = [];
  const checkFormatString = (format: string) => {
    seen.push(format);
    return format.includes('NOPE') ? 'Not supported field in StreamInfo: NOPE' : null;
  };
  const errors = errorsOf(
    ({ routes, manager }) => {
      routes.request_headers_to_add = [{ header: { key: 'x', value: '%NOPE%' } }];
      manager.access_log = [
        {
          name: 'x',
          typed_config: {
            '@type': 't/envoy.extensions.access_loggers.file.v3.FileAccessLog',
            path: '/dev/null',
            log_format: { json_format: { a: '%A%', b: ['%NOPE%'] } },
          },
        },
        {
          name: 'y',
          typed_config: {
            '@type': 't/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
            log_format: { text_format_source: { inline_string: '%NOPE% 2' } },
          },
        },
      ];
      manager.local_reply_config = { body_format: { text_format: '%B%' } };
    },
    { checkFormatString },
  );
  assert.deepEqual(seen.sort(), ['%A%', '%B%', '%NOPE%', '%NOPE%', '%NOPE% 2']);
  assert.deepEqual(
    errors.map(text => text.split(':')[0]),
    [
      'HCM.route_config.request_headers_to_add[0].header.value',
      'HCM.access_log[0].typed_config.log_format.json_format.b[0]',
      'HCM.access_log[1].typed_config.log_format.text_format_source.inline_string',
    ],
  );
});

test('files and environment variables must exist, unless told not to look', () => {
  const body = (body: object, checkFiles?: boolean) =>
    errorsOf(
      ({ route }) => {
        delete route.route;
        route.direct_response = { status: 200, body };
      },
      { checkFiles },
    );
  assert.match(body({ filename: '/nonexistent/x' })[0]!, /body\.filename: Invalid path: \/nonexistent\/x$/);
  assert.deepEqual(body({ filename: '/nonexistent/x' }, false), []);
  assert.deepEqual(body({ filename: '/dev/null' }), []);
  assert.match(
    body({ environment_variable: 'DRAGOMAN_NO_SUCH' })[0]!,
    /Environment variable doesn't exist: DRAGOMAN_NO_SUCH$/,
  );
  assert.deepEqual(body({ environment_variable: 'PATH' }, false), []);
});
