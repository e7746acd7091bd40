// Splits stat names into a name without variable parts and tags, as Envoy does with its default rules and with
// stats_config.stats_tags. Runs on the main thread, once per name; callers keep the result.

import { DragomanError } from '@dragoman/base';
import { REGEX_RULES, type RegexRule, TOKEN_RULES, type TokenRule } from './tag-rules.ts';

export interface Tag {
  readonly name: string;
  readonly value: string;
}

export interface ExtractedName {
  /** The name without the parts that became tags, still with dots. */
  readonly name: string;
  readonly tags: readonly Tag[];
}

/** envoy.config.metrics.v3.TagSpecifier, decoded. */
export interface TagSpecifier {
  readonly tagName: string;
  readonly regex?: string | undefined;
  readonly fixedValue?: string | undefined;
}

/** The part of envoy.config.metrics.v3.StatsConfig that is about tags. */
export interface TagConfig {
  readonly statsTags?: readonly TagSpecifier[];
  /** True when absent. */
  readonly useAllDefaultTags?: boolean | undefined;
}

/** Half-open ranges of a name that are cut out. */
type Ranges = [start: number, end: number][];

interface Rule {
  readonly tag: string;
  /** First token of the names this rule can match, '' for any. */
  readonly prefix: string;
  /** Adds what is to be cut out and gives the tag's value, or null. */
  match(name: string, tokens: readonly string[], cut: Ranges): string | null;
}

/** The literal first token that a regex like `^cluster\.…` demands. */
function prefixOf(regex: string): string {
  return /^\^(\w+)(?=\\\.|\(\?=\\\.\))/.exec(regex)?.[1] ?? '';
}

function regexRule({ tag, regex, except }: RegexRule): Rule {
  let compiled: RegExp;
  try {
    compiled = new RegExp(regex, 'd');
  } catch (error) {
    throw new DragomanError(
      'STATS_TAG_REGEX',
      `stats_tags: the regex of ${tag} is invalid: ${(error as Error).message}`,
    );
  }
  return {
    tag,
    prefix: prefixOf(regex),
    match(name, _tokens, cut) {
      const found = compiled.exec(name);
      if (found === null || found[1] === undefined) return null;
      const value = found[2] ?? found[1];
      if (value === except) return null;
      cut.push(found.indices![1]!);
      return value;
    },
  };
}

/** Index of the token that stands where the pattern has `$`, or -1; recursive because of `**`. */
function matchTokens(
  pattern: readonly string[],
  at: number,
  tokens: readonly string[],
  from: number,
): number {
  let tag = -2;
  for (let p = at, t = from; ; p++, t++) {
    if (p === pattern.length) return t === tokens.length ? tag : -1;
    if (pattern[p] === '**') {
      for (let end = tokens.length; end >= t; end--) {
        const rest = matchTokens(pattern, p + 1, tokens, end);
        if (rest !== -1) return rest === -2 ? tag : rest;
      }
      return -1;
    }
    if (t >= tokens.length) return -1;
    if (pattern[p] === '$') tag = t;
    else if (pattern[p] !== '*' && pattern[p] !== tokens[t]) return -1;
  }
}

function tokenRule({ tag, tokens: text }: TokenRule): Rule {
  const pattern = text.split('.');
  return {
    tag,
    prefix: pattern[0] === '$' || pattern[0] === '*' ? '' : pattern[0],
    match(_name, tokens, cut) {
      const index = matchTokens(pattern, 0, tokens, 0);
      if (index < 0) return null;
      let start = 0;
      for (let i = 0; i < index; i++) start += tokens[i].length + 1;
      cut.push([start, start + tokens[index].length + 1]);
      return tokens[index];
    },
  };
}

const fixedRule = (tag: string, value: string): Rule => ({ tag, prefix: '', match: () => value });

function defaultRules(only?: string): Rule[] {
  return [
    ...REGEX_RULES.filter(rule => only === undefined || rule.tag === only).map(regexRule),
    ...TOKEN_RULES.filter(rule => only === undefined || rule.tag === only).map(tokenRule),
  ];
}

function configuredRules({ tagName, regex, fixedValue }: TagSpecifier): Rule[] {
  if (tagName === '') throw new DragomanError('STATS_TAG_NAME', 'stats_tags: tag_name cannot be empty');
  if (fixedValue !== undefined) return [fixedRule(tagName, fixedValue)];
  if (regex) return [regexRule({ tag: tagName, regex })];
  const rules = defaultRules(tagName);
  if (rules.length === 0)
    throw new DragomanError(
      'STATS_TAG_REGEX',
      `No regex specified for tag specifier and no default regex for name: '${tagName}'`,
    );
  return rules;
}

export class TagExtractor {
  readonly #anyPrefix: Rule[] = [];
  readonly #byPrefix = new Map<string, Rule[]>();

  /** ERR_DRAGOMAN_STATS_TAG_REGEX or _NAME when the configuration is wrong. */
  constructor(config: TagConfig = {}) {
    const rules = config.useAllDefaultTags === false ? [] : defaultRules();
    for (const specifier of config.statsTags ?? []) rules.push(...configuredRules(specifier));
    for (const rule of rules) {
      const group = rule.prefix === '' ? this.#anyPrefix : this.#byPrefix.get(rule.prefix);
      if (group === undefined) this.#byPrefix.set(rule.prefix, [rule]);
      else group.push(rule);
    }
  }

  /** Every rule looks at the whole name; what they cut out is removed at the end. */
  extract(name: string): ExtractedName {
    const tokens = name.split('.');
    const tags: Tag[] = [];
    const cut: Ranges = [];
    const apply = (rule: Rule): void => {
      if (tags.some(tag => tag.name === rule.tag)) return;
      const value = rule.match(name, tokens, cut);
      if (value !== null) tags.push({ name: rule.tag, value });
    };
    this.#anyPrefix.forEach(apply);
    this.#byPrefix.get(tokens[0])?.forEach(apply);
    return { name: without(name, cut), tags };
  }
}

function without(name: string, cut: Ranges): string {
  if (cut.length === 0) return name;
  cut.sort((a, b) => a[0] - b[0]);
  let rest = '';
  let at = 0;
  for (const [start, end] of cut) {
    if (start > at) rest += name.slice(at, start);
    at = Math.max(at, end);
  }
  return rest + name.slice(at);
}
