// Headers to remove and to add at one level of the configuration (weighted cluster, route, virtual host, table, filter).
// Removals come first; then all values are evaluated against what is left; then headers are overwritten, then added.

import { DragomanError } from '@dragoman/base';
import type { HeaderValueOption } from '@dragoman/config';
import { HeaderMap, isJoinedName } from '@dragoman/http';
import type { FormatInput } from '../format/format-input.ts';
import { compileFormat, type Formatter } from '../format/formatter.ts';

const Action = { Append: 0, AddIfAbsent: 1, Overwrite: 2, OverwriteIfExists: 3 } as const;

const ACTIONS: Readonly<Record<HeaderValueOption['appendAction'], number>> = {
  APPEND_IF_EXISTS_OR_ADD: Action.Append,
  ADD_IF_ABSENT: Action.AddIfAbsent,
  OVERWRITE_IF_EXISTS_OR_ADD: Action.Overwrite,
  OVERWRITE_IF_EXISTS: Action.OverwriteIfExists,
};

interface Addition {
  readonly name: string;
  readonly action: number;
  readonly keepEmpty: boolean;
  readonly formatter: Formatter;
  /** The whole line when the value is constant and stands for itself, else ''. */
  readonly line: string;
}

/** Which names may be changed: routes must not touch pseudo headers or Host, the header_mutation filter may. */
export interface MutationRules {
  readonly allowPseudoHeaders: boolean;
}

const ROUTE_RULES: MutationRules = { allowPseudoHeaders: false };

export class HeaderMutations {
  readonly #removals: readonly string[];
  readonly #additions: readonly Addition[];
  /** Values of the evaluation that is running, by addition; null for one that does not apply. */
  readonly #values: (string | null)[];

  constructor(removals: readonly string[], additions: readonly Addition[]) {
    this.#removals = removals;
    this.#additions = additions;
    this.#values = additions.map(() => null);
  }

  evaluate(headers: HeaderMap, input: FormatInput): void {
    for (let i = 0; i < this.#removals.length; i++) headers.remove(this.#removals[i]);
    const additions = this.#additions;
    if (additions.length === 0) return;
    const values = this.#values;
    for (let i = 0; i < additions.length; i++) values[i] = evaluated(additions[i], headers, input);
    for (let i = 0; i < additions.length; i++) {
      const value = values[i];
      if (value === null || additions[i].action < Action.Overwrite) continue;
      overwrite(headers, additions[i], value);
    }
    for (let i = 0; i < additions.length; i++) {
      const value = values[i];
      if (value === null || additions[i].action >= Action.Overwrite) continue;
      append(headers, additions[i], value);
    }
  }
}

function evaluated(addition: Addition, headers: HeaderMap, input: FormatInput): string | null {
  if (addition.action === Action.AddIfAbsent && headers.has(addition.name)) return null;
  if (addition.action === Action.OverwriteIfExists && !headers.has(addition.name)) return null;
  const value = addition.formatter.format(input);
  return value === '' && !addition.keepEmpty ? null : value;
}

/** The new line goes to the end, as Envoy's setReferenceKey puts it. */
function overwrite(headers: HeaderMap, addition: Addition, value: string): void {
  if (isPseudo(addition.name)) {
    headers.set(addition.name, value);
    return;
  }
  headers.remove(addition.name);
  append(headers, addition, value);
}

/** A value that came from a request is checked; one that cannot be a header value is dropped. */
function append(headers: HeaderMap, addition: Addition, value: string): void {
  if (addition.line !== '') headers.addLine(addition.line, addition.name, value);
  else headers.add(addition.name, value);
}

function isPseudo(name: string): boolean {
  return name.startsWith(':') || name === 'host';
}

function compileAddition(option: HeaderValueOption, rules: MutationRules): Addition {
  const name = option.header?.key.toLowerCase() ?? '';
  if (!rules.allowPseudoHeaders && isPseudo(name))
    throw new DragomanError('HEADER_MUTATION', ':-prefixed or host headers may not be modified');
  const raw = option.header?.rawValue;
  const text = option.header?.value || (raw ? Buffer.from(raw).toString('utf8') : '');
  const formatter = compileFormat(text, { omitEmpty: true });
  const { constant } = formatter;
  if (!isPseudo(name) && !new HeaderMap().add(name, constant ?? ''))
    throw new DragomanError(
      'HEADER_MUTATION',
      `invalid header: ${JSON.stringify(name)}: ${JSON.stringify(text)}`,
    );
  let action = ACTIONS[option.appendAction];
  if (option.append !== undefined) action = option.append ? Action.Append : Action.Overwrite;
  return {
    name,
    action,
    keepEmpty: option.keepEmptyValue,
    formatter,
    line: constant === null || isPseudo(name) || isJoinedName(name) ? '' : `${name}: ${constant}\r\n`,
  };
}

/**
 * Compiles one level; null when there is nothing to do.
 * @throws DragomanError HEADER_MUTATION, or Error with the text of a wrong format.
 */
export function compileHeaderMutations(
  additions: readonly HeaderValueOption[],
  removals: readonly string[],
  rules: MutationRules = ROUTE_RULES,
): HeaderMutations | null {
  if (additions.length === 0 && removals.length === 0) return null;
  const names = removals.map(name => name.toLowerCase());
  if (!rules.allowPseudoHeaders && names.some(isPseudo))
    throw new DragomanError('HEADER_MUTATION', ':-prefixed or host headers may not be removed');
  return new HeaderMutations(
    names,
    additions.map(option => compileAddition(option, rules)),
  );
}
