import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Problems } from '../errors.ts';
import type { Json } from './source.ts';
import { plainScalar, readJson, readYaml } from './yaml.ts';

function read(text: string): { value: Json | undefined; errors: string[] } {
  const problems = new Problems();
  const source = readYaml(text, 'a.yaml', problems);
  return { value: source?.value, errors: problems.list.map(({ message }) => message) };
}

test('plain scalars follow yaml-cpp: bools, int32, null, the rest text', () => {
  const table: Record<string, Json> = {
    '': null,
    '~': null,
    null: null,
    NULL: null,
    nULL: 'nULL',
    true: true,
    Yes: true,
    ON: true,
    y: true,
    Y: true,
    yEs: 'yEs',
    false: false,
    No: false,
    OFF: false,
    n: false,
    0: 0,
    12: 12,
    '-3': -3,
    '+4': 4,
    '0x1F': 31,
    '010': 8,
    '08': '08',
    2147483647: 2147483647,
    2147483648: '2147483648',
    '-2147483648': -2147483648,
    '9223372036854775807': '9223372036854775807',
    '0.5': '0.5',
    '1e3': '1e3',
    '.inf': '.inf',
    '1_000': '1_000',
    '30s': '30s',
    '2026-01-01': '2026-01-01',
    a: 'a',
  };
  for (const [text, value] of Object.entries(table)) assert.equal(plainScalar(text), value, text);
});

test('quoted and block scalars stay strings', () => {
  const { value } = read('a: "true"\nb: \'12\'\nc: |\n  null\nd: >-\n  on\ne: !!str 7\n');
  assert.deepEqual(value, { a: 'true', b: '12', c: 'null\n', d: 'on', e: 7 });
});

test('a comment sign inside a block scalar is text', () => {
  assert.deepEqual(read('a: |\n  {"x": 1} # not a comment\n').value, { a: '{"x": 1} # not a comment\n' });
});

test('anchors and aliases work, merge keys do not', () => {
  assert.deepEqual(read('a: &x {k: 1}\nb: *x\nc:\n  <<: *x\n').value, {
    a: { k: 1 },
    b: { k: 1 },
    c: { '<<': { k: 1 } },
  });
});

test('an unknown or cyclic alias is refused', () => {
  assert.match(read('a: *nope\n').errors[0]!, /nope/);
  assert.notEqual(read('a: &x [*x]\n').errors.length, 0);
});

test('aliases cannot blow the tree up', () => {
  let text = 'a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n';
  for (let i = 1; i < 9; i++)
    text += `a${i}: &a${i} [${Array(10)
      .fill(`*a${i - 1}`)
      .join(',')}]\n`;
  assert.match(read(text).errors[0]!, /too many nodes/);
});

test('!ignore keys are dropped but their anchors stay', () => {
  assert.deepEqual(read('!ignore parked: &x {k: 1}\nb: *x\n').value, { b: { k: 1 } });
});

test('the last of equal keys wins, and only the first document counts', () => {
  assert.deepEqual(read('a: 1\na: 2\n').value, { a: 2 });
  assert.deepEqual(read('a: 1\n---\nb: 2\n').value, { a: 1 });
});

test('keys are text, whatever they look like', () => {
  const { value } = read('1: a\ntrue: b\n"x y": c\n__proto__: d\n') as { value: Record<string, Json> };
  assert.deepEqual(Object.keys(value), ['1', 'true', 'x y', '__proto__']);
  assert.equal(Object.getPrototypeOf(value), Object.prototype);
});

test("what is neither a map nor a list is refused in Envoy's words", () => {
  for (const text of ['', '# only a comment\n', 'hello', '12', '"a"', 'null']) {
    const { value, errors } = read(text);
    assert.equal(value, undefined, text);
    assert.match(errors[0]!, /^Unable to convert YAML as JSON/);
  }
});

test('broken YAML is refused at its place, all of it', () => {
  for (const text of [
    'a: [1,\nb: {',
    'a:\n\tb: 1\n',
    'a: "x',
    'a: b: c',
    '- a\nb: c',
    '%YAML 9\n---\n}',
    'a: @x',
  ]) {
    const problems = new Problems();
    assert.equal(readYaml(text, 'a.yaml', problems), null, text);
    assert.ok(
      problems.list.some(({ position }) => position !== null && position.line > 0),
      text,
    );
  }
});

test('tabs get a hint', () => {
  const problems = new Problems();
  readYaml('a:\n\tb: 1\n', 'a.yaml', problems);
  assert.equal(problems.list[0]!.hint, 'indent with spaces');
});

test('JSON files are JSON: floats are numbers, and places are found', () => {
  const problems = new Problems();
  const source = readJson('{\n  "a": 0.5,\n  "b": ["on", true]\n}', 'a.json', problems)!;
  assert.deepEqual(source.value, { a: 0.5, b: ['on', true] });
  assert.deepEqual(source.position(source.root!.child('b')!.item(1)!.offset), { line: 3, column: 15 });
});

test('broken JSON is refused with a message', () => {
  for (const text of ['{"a": }', '', '{', '[1,]x']) {
    const problems = new Problems();
    readJson(text, 'a.json', problems);
    assert.ok(problems.failed, text);
  }
});

test('property: strings survive in double quotes, integers as plain scalars', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }).filter(text => text.isWellFormed()),
      fc.integer(),
      (text, number) => {
        const { value } = read(`a: ${JSON.stringify(text)}\nb: ${number}\n`);
        assert.deepEqual(value, { a: text, b: number });
      },
    ),
  );
});

test('property: arbitrary text never throws, it is read or reported', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab:-{}[],"\'|>&*!#%@ \n\t'), maxLength: 40 }), text => {
      const problems = new Problems();
      const source = readYaml(text, 'a.yaml', problems);
      assert.equal(source === null, problems.failed);
    }),
    { numRuns: 500 },
  );
});

test('property: JSON flow text read as YAML gives the same tree', () => {
  const leaf = fc.oneof(fc.boolean(), fc.integer(), fc.string({ unit: 'grapheme' }), fc.constant(null));
  const tree = fc.letrec<{ any: Json }>(tie => ({
    any: fc.oneof(
      { maxDepth: 3 },
      leaf as fc.Arbitrary<Json>,
      fc.array(tie('any')),
      fc.dictionary(fc.stringMatching(/^[a-z]\w{0,5}$/), tie('any')) as fc.Arbitrary<Json>,
    ),
  })).any;
  fc.assert(
    fc.property(fc.array(tree), value => {
      assert.deepEqual(
        JSON.parse(JSON.stringify(read(JSON.stringify(value)).value)),
        JSON.parse(JSON.stringify(value)),
      );
    }),
  );
});
