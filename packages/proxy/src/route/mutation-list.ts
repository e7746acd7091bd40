// Lists of single header mutations (common.mutation_rules.v3.HeaderMutation), each run in its turn: what the
// header_mutation filter and mirrored requests use.

import { DragomanError } from '@dragoman/base';
import type { HeaderMutation } from '@dragoman/config';
import type { HeaderMap } from '@dragoman/http';
import type { FormatInput } from '../format/format-input.ts';
import { compileHeaderMutations, type HeaderMutations, type MutationRules } from './header-mutations.ts';
import { compileStringMatcher, type StringMatcher } from './string-matcher.ts';

interface Step {
  readonly mutation: HeaderMutations | null;
  /** Headers whose names match are removed; null for a step that is a mutation. */
  readonly removedNames: StringMatcher | null;
}

export class MutationList {
  readonly #steps: readonly Step[];

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
  }

  evaluate(headers: HeaderMap, input: FormatInput): void {
    for (let i = 0; i < this.#steps.length; i++) {
      const { mutation, removedNames } = this.#steps[i];
      if (mutation !== null) mutation.evaluate(headers, input);
      else if (removedNames !== null) removeMatching(headers, removedNames);
    }
  }
}

function removeMatching(headers: HeaderMap, names: StringMatcher): void {
  const found = new Set<string>();
  headers.forEach(name => {
    if (!name.startsWith(':') && names.matches(name)) found.add(name);
  });
  for (const name of found) headers.remove(name);
}

function compileStep(config: HeaderMutation, rules: MutationRules): Step {
  if (config.removeOnMatch !== undefined) {
    const { keyMatcher } = config.removeOnMatch;
    if (keyMatcher === undefined)
      throw new DragomanError('HEADER_MUTATION', 'remove_on_match: key_matcher is missing');
    return { mutation: null, removedNames: compileStringMatcher(keyMatcher) };
  }
  const additions = config.append === undefined ? [] : [config.append];
  const removals = config.remove ? [config.remove] : [];
  return { mutation: compileHeaderMutations(additions, removals, rules), removedNames: null };
}

/** Null for an empty list. @throws DragomanError HEADER_MUTATION, or Error with the text of a wrong format. */
export function compileMutationList(
  configs: readonly HeaderMutation[],
  rules: MutationRules = { allowPseudoHeaders: false },
): MutationList | null {
  return configs.length === 0 ? null : new MutationList(configs.map(config => compileStep(config, rules)));
}
