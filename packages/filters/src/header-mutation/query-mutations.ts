// query_parameter_mutations of the header_mutation filter: parameters are set in and removed from a request target.

import type { KeyValueMutation } from '@dragoman/config';
import type { RequestHeaders } from '@dragoman/http';
import { compileFormat, type FormatInput } from '@dragoman/proxy';

interface QueryMutation {
  readonly key: string;
  /** '' removes the parameter. */
  readonly action: string;
  readonly value: (input: FormatInput) => string;
}

/** Decoded as a form is, except that '+' stays: Envoy leaves it. */
function decode(text: string): string {
  return text.replace(/%([0-9a-fA-F]{2})/g, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function encode(text: string): string {
  return text.replace(
    /[^A-Za-z0-9._~-]/g,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}

function parse(target: string): [key: string, value: string][] {
  const mark = target.indexOf('?');
  const query = mark < 0 ? '' : target.slice(mark + 1);
  return query
    .split('&')
    .filter(pair => pair !== '')
    .map(pair => {
      const equals = pair.indexOf('=');
      return equals < 0
        ? [decode(pair), '']
        : [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))];
    });
}

function apply(pairs: [string, string][], mutation: QueryMutation, input: FormatInput): [string, string][] {
  const { key, action } = mutation;
  const exists = pairs.some(pair => pair[0] === key);
  if (action === '') return pairs.filter(pair => pair[0] !== key);
  if ((action === 'ADD_IF_ABSENT' && exists) || (action === 'OVERWRITE_IF_EXISTS' && !exists)) return pairs;
  const added: [string, string] = [key, mutation.value(input)];
  if (action.startsWith('OVERWRITE')) return [...pairs.filter(pair => pair[0] !== key), added];
  return [...pairs, added];
}

export class QueryMutations {
  readonly #mutations: readonly QueryMutation[];

  constructor(configs: readonly KeyValueMutation[]) {
    this.#mutations = configs.map(compileMutation);
  }

  evaluate(headers: RequestHeaders, input: FormatInput): void {
    if (this.#mutations.length === 0) return;
    let pairs = parse(headers.path);
    for (const mutation of this.#mutations) pairs = apply(pairs, mutation, input);
    const mark = headers.path.indexOf('?');
    const path = mark < 0 ? headers.path : headers.path.slice(0, mark);
    const query = pairs.map(([key, value]) => `${encode(key)}=${encode(value)}`).join('&');
    headers.set(':path', query === '' ? path : `${path}?${query}`);
  }
}

function compileMutation(config: KeyValueMutation): QueryMutation {
  const { append, remove } = config;
  if (append === undefined) return { key: remove, action: '', value: () => '' };
  const key = append.record?.key ?? append.entry?.key ?? '';
  const given = append.record?.value ?? Buffer.from(append.entry?.value ?? []).toString('utf8');
  const formatter = compileFormat(typeof given === 'string' ? given : JSON.stringify(given), {
    omitEmpty: true,
  });
  return { key, action: append.action, value: input => formatter.format(input) };
}
