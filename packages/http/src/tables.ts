// 256-entry byte tables that the parsers and validators index with raw bytes; built once when the module loads.
// Which characters a field may hold is decided here and nowhere else (RFC 9110 5.6.2, 5.5; RFC 9112 3).

const ALPHANUMERIC = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

function tableOf(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (let i = 0; i < characters.length; i++) table[characters.charCodeAt(i)] = 1;
  return table;
}

/** token characters (RFC 9110 5.6.2) -> the lower-case byte; 0 for every other byte. */
export const TOKEN_LOWER: Uint8Array = tableOf(`!#$%&'*+-.^_\`|~${ALPHANUMERIC}`);
for (let byte = 0; byte < 256; byte++) {
  if (TOKEN_LOWER[byte] !== 0) TOKEN_LOWER[byte] = byte >= 0x41 && byte <= 0x5a ? byte + 32 : byte;
}

/** Bytes a field value may hold: HT, SP, visible ASCII, 0x80..0xff; no CR, LF, NUL, DEL or other control (RFC 9110 5.5). */
export const FIELD_VALUE: Uint8Array = new Uint8Array(256).fill(1, 0x20);
FIELD_VALUE[0x7f] = 0;
FIELD_VALUE[0x09] = 1;

/** A table value that marks `#`: allowed to be read, then refused as a fragment. */
export const FRAGMENT = 3;

/** Bytes of a request target: visible ASCII; Envoy passes `"<>\^{|}` too. FRAGMENT for `#`, 1 for the others. */
export const TARGET: Uint8Array = new Uint8Array(256).fill(1, 0x21, 0x7f);
TARGET[0x23] = FRAGMENT;

/** Bytes of an authority without user info and without `,` (RFC 3986 3.2.2 plus `[]:`): a list would be two hosts. */
export const AUTHORITY: Uint8Array = tableOf(`-._~!$&'()*+;=%:[]${ALPHANUMERIC}`);

/** Hexadecimal digit -> its value; 0xff for every other byte. */
export const HEX_DIGIT: Uint8Array = new Uint8Array(256).fill(0xff);
for (let digit = 0; digit < 16; digit++) {
  const text = digit.toString(16);
  HEX_DIGIT[text.charCodeAt(0)] = digit;
  HEX_DIGIT[text.toUpperCase().charCodeAt(0)] = digit;
}
