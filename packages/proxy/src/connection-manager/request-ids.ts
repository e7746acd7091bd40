// Random UUIDs (RFC 9562, version 4) for x-request-id: unique, cheap, and nothing to rely on as a secret. A generator per
// worker (sfc32), seeded by the system's random source.

import { randomFillSync } from 'node:crypto';

/** Four hexadecimal digits of every 16-bit number would be 65,536 strings; two of every byte are enough. */
const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export class RequestIds {
  readonly #state = new Uint32Array(4);

  constructor(seed: Uint32Array = randomFillSync(new Uint32Array(4))) {
    this.#state.set(seed);
    for (let i = 0; i < 12; i++) this.#next();
  }

  /** "xxxxxxxx-xxxx-4xxx-[89ab]xxx-xxxxxxxxxxxx". */
  next(): string {
    const a = this.#next();
    const b = this.#next();
    const c = this.#next();
    const d = this.#next();
    return (
      `${HEX[a >>> 24]}${HEX[(a >>> 16) & 255]}${HEX[(a >>> 8) & 255]}${HEX[a & 255]}-` +
      `${HEX[b >>> 24]}${HEX[(b >>> 16) & 255]}-${HEX[((b >>> 8) & 15) | 64]}${HEX[b & 255]}-` +
      `${HEX[((c >>> 24) & 63) | 128]}${HEX[(c >>> 16) & 255]}-${HEX[(c >>> 8) & 255]}${HEX[c & 255]}` +
      `${HEX[d >>> 24]}${HEX[(d >>> 16) & 255]}${HEX[(d >>> 8) & 255]}${HEX[d & 255]}`
    );
  }

  #next(): number {
    const state = this.#state;
    const sum = (state[0] + state[1] + state[3]) >>> 0;
    state[3]++;
    state[0] = state[1] ^ (state[1] >>> 9);
    state[1] = state[2] + (state[2] << 3);
    state[2] = ((state[2] << 21) | (state[2] >>> 11)) + sum;
    return sum;
  }
}
