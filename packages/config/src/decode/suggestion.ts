// "Did you mean": the known name that is closest to a misspelt one.

/** Edit distance with adjacent swaps, given up past `limit`. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, before[j - 2]! + 1);
      current.push(cost);
    }
    before = previous;
    previous = current;
  }
  return previous[b.length]!;
}

const words = (name: string): string[] =>
  name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[_\-. ]+/);

/** How unlike two names are: 0 equal, above 1 hopeless. */
function unlikeness(unknown: string, known: string): number {
  const a = words(unknown);
  const b = words(known);
  const plainA = a.join('');
  const plainB = b.join('');
  const limit = Math.max(1, Math.floor(plainA.length / 3));
  const edits = distance(plainA, plainB, limit);
  if (edits <= limit) return edits / (plainA.length + 1);
  const shared = a.filter(word => word.length > 2 && b.includes(word)).length;
  if (shared > 0 && (shared === a.length || shared === b.length))
    return 0.5 + 0.1 * Math.abs(a.length - b.length);
  return 2;
}

/** `did you mean port_value?`, or '' when nothing is near. */
export function suggestion(unknown: string, known: readonly string[]): string {
  let best = '';
  let least = 1;
  for (const name of known) {
    const score = unlikeness(unknown, name);
    if (score < least) [best, least] = [name, score];
  }
  return best === '' ? '' : `did you mean ${best}?`;
}
