// Tells HTTP/1 and HTTP/2 by the first bytes of a plaintext connection (Envoy: http_inspector).

/** Longest request line that is waited for. */
const MAX_LINE_BYTES = 8192;
const PREFACE_LINE = 'PRI * HTTP/2.0\r\n';

/** An ALPN name ("http/1.0", "http/1.1", "h2c"), '' for something else, null when more bytes are needed. */
export function readHttpVersion(bytes: Buffer): string | null {
  const start = bytes.toString('latin1', 0, Math.min(bytes.length, PREFACE_LINE.length));
  if (PREFACE_LINE.startsWith(start)) return start.length === PREFACE_LINE.length ? 'h2c' : null;
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]*(?: |$)/.test(start)) return '';
  const end = bytes.indexOf('\n');
  if (end < 0) return bytes.length < MAX_LINE_BYTES ? null : '';
  const version = / HTTP\/1\.([01])\r?$/.exec(bytes.toString('latin1', 0, end));
  return version === null ? '' : `http/1.${version[1]}`;
}
