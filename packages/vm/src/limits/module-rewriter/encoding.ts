// Writes the number and name encodings of the WebAssembly binary format. Pure.

/** Unsigned LEB128, in the fewest bytes. */
export function unsignedLeb(value: number): number[] {
  const bytes: number[] = [];
  while (value > 0x7f) {
    bytes.push((value & 0x7f) | 0x80);
    value = Math.floor(value / 128);
  }
  bytes.push(value);
  return bytes;
}

/** Bytes that unsignedLeb would take. */
export function unsignedLebLength(value: number): number {
  let length = 1;
  while (value > 0x7f) {
    value = Math.floor(value / 128);
    length++;
  }
  return length;
}

/** An ASCII name with its length. */
export function name(text: string): number[] {
  return [...unsignedLeb(text.length), ...Buffer.from(text, 'latin1')];
}
