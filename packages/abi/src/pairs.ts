// The wire form of header maps and of map-valued properties (ABI reference 3.4): a count, the lengths of every
// name and value, then the bytes, each followed by a zero. Names and values are latin1: one char, one byte.

/** A map with more pairs than this, or longer than MAX_PAIRS_BYTES, reads as empty (S38). */
export const MAX_PAIRS = 1024;
export const MAX_PAIRS_BYTES = 1024 * 1024;

const SHORT_TEXT = 32;

/** Bytes that `pairs` ([name, value, name, value, ...]) take on the wire; 0 for an empty map. */
export function pairsSize(pairs: readonly string[]): number {
  if (pairs.length === 0) return 0;
  let size = 4 + 5 * pairs.length;
  for (let i = 0; i < pairs.length; i++) size += pairs[i].length;
  return size;
}

/** Writes `pairs` into `target` at `offset`; there must be room for pairsSize() bytes. Answers the end. */
export function writePairs(pairs: readonly string[], target: Buffer, offset: number): number {
  const count = pairs.length >>> 1;
  let lengths = putLength(target, offset, count);
  let text = lengths + 8 * count;
  for (let i = 0; i < pairs.length; i++) {
    const part = pairs[i];
    lengths = putLength(target, lengths, part.length);
    const end = text + part.length;
    // A short loop beats the call into C++, and most names and values are short.
    if (part.length <= SHORT_TEXT) for (let k = 0; text < end; k++) target[text++] = part.charCodeAt(k);
    else text += target.latin1Write(part, text, part.length);
    target[text++] = 0;
  }
  return text;
}

/** writeUInt32LE without its checks: the caller has made sure of the room. */
function putLength(target: Buffer, at: number, length: number): number {
  target[at] = length;
  target[at + 1] = length >>> 8;
  target[at + 2] = length >>> 16;
  target[at + 3] = length >>> 24;
  return at + 4;
}

/** The wire form of `pairs`; no bytes for an empty map. */
export function encodePairs(pairs: readonly string[]): Buffer {
  const bytes = Buffer.allocUnsafe(pairsSize(pairs));
  if (pairs.length > 0) writePairs(pairs, bytes, 0);
  return bytes;
}

/** The wire form of pairs whose values are bytes (nested maps and integers in properties). */
export function encodeBytePairs(pairs: readonly (readonly [Buffer, Buffer])[]): Buffer {
  let size = 4;
  for (const [name, value] of pairs) size += 10 + name.length + value.length;
  const bytes = Buffer.allocUnsafe(size);
  let lengths = bytes.writeUInt32LE(pairs.length, 0);
  let text = lengths + 8 * pairs.length;
  for (const [name, value] of pairs) {
    lengths = bytes.writeUInt32LE(name.length, lengths);
    lengths = bytes.writeUInt32LE(value.length, lengths);
    text += name.copy(bytes, text);
    bytes[text++] = 0;
    text += value.copy(bytes, text);
    bytes[text++] = 0;
  }
  return bytes;
}

/**
 * Reads a map a guest sent. Null when the bytes break the form (a length past the end, a missing zero, trailing
 * bytes, too many pairs): hosts treat that as an empty map (S37). No bytes, one zero byte or four are an empty map (S36).
 */
export function decodePairs(bytes: Buffer): string[] | null {
  if (bytes.length === 0 || (bytes.length === 1 && bytes[0] === 0)) return [];
  if (bytes.length > MAX_PAIRS_BYTES || bytes.length < 4) return null;
  const count = bytes.readUInt32LE(0);
  if (count > MAX_PAIRS || 4 + 8 * count > bytes.length) return null;
  const pairs: string[] = [];
  let text = 4 + 8 * count;
  for (let i = 0; i < 2 * count; i++) {
    const end = text + bytes.readUInt32LE(4 + 4 * i);
    if (end >= bytes.length || bytes[end] !== 0) return null;
    pairs.push(bytes.latin1Slice(text, end));
    text = end + 1;
  }
  return text === bytes.length ? pairs : null;
}
