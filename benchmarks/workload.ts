// The one request and the one response that every contestant carries: six client headers, a body of 64 bytes.

export const requestHeaders: readonly [string, string][] = [
  ['user-agent', 'dragoman-benchmark/1.0'],
  ['accept', 'text/html,application/json;q=0.9,*/*;q=0.8'],
  ['accept-encoding', 'gzip, deflate, br'],
  ['accept-language', 'en-GB,en;q=0.5'],
  ['cookie', 'session=0123456789abcdef0123456789abcdef'],
];

export const responseBody = `${'dragoman '.repeat(7)}\n`;

/** The header that the contestants with a header filter add, both ways. */
export const addedHeader = { name: 'x-benchmark', value: 'hello from the filter' } as const;
