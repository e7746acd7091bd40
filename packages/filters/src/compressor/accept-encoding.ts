// Accept-Encoding (RFC 9110, 12.5.3) as Envoy reads it: names are case-sensitive, the highest q-value wins, the first of
// equal ones.

/** What the header means for one compressor, and under which statistic it is counted. */
export const Decision = {
  /** The encoding is named and preferred. */
  Compressor: 0,
  Wildcard: 1,
  Identity: 2,
  /** Nothing that is acceptable is on offer. */
  NotValid: 3,
} as const;

/** Decides for a compressor of `encoding`; `offered` is false when the response's type is not to be compressed. */
export function chooseEncoding(acceptEncoding: string, encoding: string, offered: boolean): number {
  let best = 0;
  let name = '';
  let refused = !offered;
  const accepted: [name: string, quality: number][] = [];
  for (const token of acceptEncoding.split(',')) {
    const [first, ...parameters] = token.split(';');
    const quality = qualityOf(parameters.join(';'));
    if (quality === null) continue;
    const coding = first.trim();
    accepted.push([coding, quality]);
    if (quality === 0 && coding === encoding) refused = true;
  }
  for (const [coding, quality] of accepted) {
    const usable = (coding === encoding && !refused) || coding === 'identity' || (coding === '*' && !refused);
    if (quality > best && usable) {
      best = quality;
      name = coding;
    }
  }
  if (best === 0) return Decision.NotValid;
  if (name === 'identity') return Decision.Identity;
  return name === '*' ? Decision.Wildcard : Decision.Compressor;
}

/** The q-value of a coding's parameters, 1 without one; null when it is no number. */
function qualityOf(parameters: string): number | null {
  const equals = parameters.indexOf('=');
  if (equals < 0 || parameters.slice(0, equals).trim().toLowerCase() !== 'q') return 1;
  const text = parameters.slice(equals + 1).trim();
  return /^\d*\.?\d+$|^\d+\.$/.test(text) ? Number(text) : null;
}
