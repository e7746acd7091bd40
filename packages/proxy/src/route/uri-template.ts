// Path templates of envoy.path.match.uri_template and envoy.path.rewrite.uri_template: "/a/{id}/x/*" and what its variables
// make of a path. `*` is one segment, `**` the rest with its slashes, `{name}` and `{name=pattern}` remember theirs.

import { DragomanError } from '@dragoman/base';

const SEGMENT = "[a-zA-Z0-9\\-._~%!$&'()+,;:@=]+";
const REST = "[a-zA-Z0-9\\-._~%!$&'()+,;:@/=]*";
const LITERAL = /^[a-zA-Z0-9\-._~%!$&'()+,;:@=/]+$/;
const VARIABLE = /^[a-zA-Z][a-zA-Z0-9_]*$/;
const MAX_VARIABLES = 5;

function refuse(template: string, fact: string): never {
  throw new DragomanError('ROUTE_MATCH', `path template ${JSON.stringify(template)}: ${fact}`);
}

function escaped(literal: string): string {
  return literal.replaceAll(/[.*+?^${}()|[\]\\$-]/g, '\\$&');
}

/** One operator or literal of a template without variables, as a regex. */
function compilePart(template: string, part: string): string {
  if (part === '*') return SEGMENT;
  if (part === '**') return REST;
  if (!LITERAL.test(part)) refuse(template, `${JSON.stringify(part)} is neither literal nor operator`);
  return escaped(part);
}

function splitOperators(text: string): string[] {
  return text.split(/(\*\*|\*)/).filter(part => part !== '');
}

export class UriTemplate {
  readonly #regex: RegExp;
  readonly variables: readonly string[];

  /** @throws DragomanError ROUTE_MATCH */
  constructor(template: string) {
    if (!template.startsWith('/')) refuse(template, 'it has to begin with a slash');
    const variables: string[] = [];
    let source = '';
    for (const part of template.split(/(\{[^{}]*\})/).filter(piece => piece !== '')) {
      if (!part.startsWith('{')) {
        source += splitOperators(part)
          .map(piece => compilePart(template, piece))
          .join('');
        continue;
      }
      const [name, pattern = '*'] = part.slice(1, -1).split('=');
      if (!VARIABLE.test(name)) refuse(template, `${JSON.stringify(name)} is no name of a variable`);
      if (variables.includes(name)) refuse(template, `the variable ${name} comes twice`);
      variables.push(name);
      source += `(${splitOperators(pattern)
        .map(piece => compilePart(template, piece))
        .join('')})`;
    }
    if (variables.length > MAX_VARIABLES)
      refuse(template, `${variables.length} variables, at most ${MAX_VARIABLES}`);
    const rest = source.indexOf(REST);
    if (rest >= 0 && (source.indexOf(REST, rest + 1) >= 0 || source.indexOf(SEGMENT, rest) >= 0))
      refuse(template, 'nothing but literals can come after **');
    this.#regex = new RegExp(`^${source}$`);
    this.variables = variables;
  }

  matches(path: string): boolean {
    return this.#regex.test(path);
  }

  /** Values of the variables in order; null when the path does not match. */
  read(path: string): readonly string[] | null {
    return this.#regex.exec(path)?.slice(1) ?? null;
  }
}

/** A path made of the variables of a template. */
export class UriTemplateRewrite {
  readonly #template: UriTemplate;
  /** Literals and indexes of variables in turn. */
  readonly #parts: readonly (string | number)[];

  /** @throws DragomanError ROUTE_MATCH */
  constructor(template: UriTemplate, rewrite: string) {
    this.#template = template;
    this.#parts = rewrite
      .split(/(\{[^{}]*\})/)
      .filter(part => part !== '')
      .map(part => {
        if (!part.startsWith('{')) {
          if (!LITERAL.test(part)) refuse(rewrite, `${JSON.stringify(part)} cannot be part of a path`);
          return part;
        }
        const index = template.variables.indexOf(part.slice(1, -1));
        if (index < 0) refuse(rewrite, `the matched template has no variable ${part}`);
        return index;
      });
  }

  /** Null when the path does not match the template. */
  apply(path: string): string | null {
    const values = this.#template.read(path);
    if (values === null) return null;
    return this.#parts.map(part => (typeof part === 'string' ? part : values[part])).join('');
  }
}
