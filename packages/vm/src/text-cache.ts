// Remembers the strings of a guest by where they lay. Plugins pass the same constants from the same addresses on
// every request; comparing the bytes with the string found there is cheaper than making a new one. An entry is only
// ever believed after that comparison, so a guest that writes other bytes there gets the other string.

const SLOTS = 512;
/** Longer texts are rarely constants, and comparing them costs what making them costs. */
const MAX_CACHED_LENGTH = 96;

/** One cache per VM instance and use. */
export class TextCache {
  readonly #pointers = new Int32Array(SLOTS);
  readonly #raw: string[] = new Array<string>(SLOTS).fill('');
  readonly #converted: string[] = new Array<string>(SLOTS).fill('');
  readonly #convert: (raw: string) => string;

  /** `convert` turns the guest's text into what the cache answers with (lower-casing, for header names). */
  constructor(convert: (raw: string) => string) {
    this.#convert = convert;
  }

  /** The latin1 text of `length` > 0 bytes at `pointer`; the range must have been checked. */
  get(bytes: Buffer, pointer: number, length: number): string {
    if (length > MAX_CACHED_LENGTH) return this.#convert(bytes.latin1Slice(pointer, pointer + length));
    const slot = (pointer ^ (pointer >>> 9) ^ (length << 4)) & (SLOTS - 1);
    const raw = this.#raw[slot];
    if (this.#pointers[slot] === (pointer | 0) && raw.length === length) {
      let i = 0;
      while (i < length && raw.charCodeAt(i) === bytes[pointer + i]) i++;
      if (i === length) return this.#converted[slot];
    }
    const text = bytes.latin1Slice(pointer, pointer + length);
    const converted = this.#convert(text);
    this.#pointers[slot] = pointer | 0;
    this.#raw[slot] = text;
    this.#converted[slot] = converted;
    return converted;
  }
}
