import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enumSchema, findMessage } from '../schema/descriptor.ts';
import { BUILT_IN } from './built-in.ts';
import { EXTENSION_POINTS, OPAQUE_FIELDS } from './extension-points.ts';
import { Support } from './support.ts';

const fieldOf = (name: string) => {
  const dot = name.lastIndexOf('.');
  return findMessage(name.slice(0, dot))?.byName.get(name.slice(dot + 1)) ?? null;
};

test('every supported field exists in the schema, by its proto name', () => {
  const wrong: string[] = [];
  for (const { fields } of BUILT_IN) {
    for (const [message, names] of Object.entries(fields ?? {})) {
      const schema = findMessage(message);
      if (schema === null) wrong.push(message);
      for (const entry of names === '*' ? [] : names) {
        const [name, values] = entry.split('=') as [string, string?];
        const field = schema?.byName.get(name);
        if (field?.name !== name) wrong.push(`${message}.${name}`);
        if (field?.kind === 'enum') {
          for (const value of values?.split(',') ?? []) {
            if (!enumSchema(field.typeName).names.includes(value)) wrong.push(`${message}.${entry}`);
          }
        }
      }
    }
  }
  assert.deepEqual(wrong, []);
});

test('every harmless field exists, has a reason, and is not also supported', () => {
  const support = new Support(BUILT_IN.map(({ fields }) => ({ fields })));
  const wrong: string[] = [];
  for (const { harmless } of BUILT_IN) {
    for (const [message, reasons] of Object.entries(harmless ?? {})) {
      for (const [field, reason] of Object.entries(reasons)) {
        const known = field === '*' ? findMessage(message) !== null : fieldOf(`${message}.${field}`) !== null;
        if (!known || reason.length < 10) wrong.push(`${message}.${field}`);
        if (field !== '*' && support.implements(message, field, 'x'))
          wrong.push(`supported: ${message}.${field}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

test('extension points and opaque fields are fields, extension types are messages with a supported field list', () => {
  const wrong = Object.keys(EXTENSION_POINTS).filter(name => fieldOf(name) === null);
  for (const name of OPAQUE_FIELDS) if (fieldOf(name)?.typeName !== 'google.protobuf.Any') wrong.push(name);
  const tables = new Set(BUILT_IN.flatMap(({ fields }) => Object.keys(fields ?? {})));
  const categories = new Set(Object.values(EXTENSION_POINTS));
  for (const { extensions } of BUILT_IN) {
    for (const [category, types] of Object.entries(extensions ?? {})) {
      if (!categories.has(category)) wrong.push(category);
      for (const type of Object.keys(types)) {
        const schema = findMessage(type);
        if (schema === null || (schema.fields.length > 0 && !tables.has(type))) wrong.push(type);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

test('every message a supported field leads to has a table of its own or is empty', () => {
  const tables = new Map(BUILT_IN.flatMap(({ fields }) => Object.entries(fields ?? {})));
  const harmless = new Set(BUILT_IN.flatMap(declaration => Object.keys(declaration.harmless ?? {})));
  const wrong: string[] = [];
  for (const [message, names] of tables) {
    for (const field of findMessage(message)!.fields) {
      const listed = names === '*' || names.some(entry => entry.split('=')[0] === field.name);
      if (!listed || field.kind !== 'message' || field.typeName.startsWith('google.protobuf.')) continue;
      const inner = findMessage(field.typeName)!;
      if (inner.fields.length > 0 && !tables.has(inner.name) && !harmless.has(inner.name)) {
        wrong.push(`${message}.${field.name}: ${inner.name}`);
      }
    }
  }
  assert.deepEqual(wrong, []);
});

test('an entry with values supports only these, and declarations add up', () => {
  const support = new Support([
    { fields: { M: ['a', 'b=1,2'] } },
    { fields: { M: ['b=3'], N: '*' }, harmless: { M: { c: 'because' } } },
    { fields: { N: ['x'] } },
  ]);
  assert.equal(support.implements('M', 'a', 'anything'), true);
  assert.equal(support.implements('M', 'b', 2), true);
  assert.equal(support.implements('M', 'b', 3), true);
  assert.equal(support.implements('M', 'b', 4), false);
  assert.deepEqual(support.valuesOf('M', 'b'), ['1', '2', '3']);
  assert.equal(support.implements('M', 'c', 1), false);
  assert.equal(support.harmlessReason('M', 'c'), 'because');
  assert.equal(support.implements('N', 'whatever', 1), true);
  assert.equal(support.implements('O', 'a', 1), false);
});
