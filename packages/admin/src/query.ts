// Query parameters as Envoy reads them: in order, names and values percent-decoded, `+` left alone.

/** Decodes %XX; what is no valid escape stays as it is. */
export function percentDecode(text: string): string {
  if (!text.includes('%')) return text;
  const bytes = Buffer.from(text, 'utf8')
    .toString('latin1')
    .replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

export class Query {
  readonly pairs: readonly (readonly [name: string, value: string])[];

  /** `text` is what follows the question mark, or a form body. */
  constructor(text: string) {
    this.pairs = text
      .split('&')
      .filter(part => part !== '')
      .map(part => {
        const equals = part.indexOf('=');
        if (equals < 0) return [percentDecode(part), ''];
        return [percentDecode(part.slice(0, equals)), percentDecode(part.slice(equals + 1))];
      });
  }

  /** First value of a parameter. */
  get(name: string): string | undefined {
    return this.pairs.find(pair => pair[0] === name)?.[1];
  }

  has(name: string): boolean {
    return this.pairs.some(pair => pair[0] === name);
  }
}
