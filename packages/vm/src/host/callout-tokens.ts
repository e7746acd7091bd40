// Tokens of call-outs: the low two bits say what kind it is, so that a call on the wrong kind can be told from one on
// an unknown token (ABI reference 6.1); kinds beyond the ABI share 3 there and have a third bit. 0 is never a token.

export const CalloutKind = { Http: 0, GrpcCall: 1, GrpcStream: 2, Dns: 3, Redis: 7 } as const;
export type CalloutKind = (typeof CalloutKind)[keyof typeof CalloutKind];

/** A counter per VM and kind. */
export class CalloutTokens {
  readonly #kind: CalloutKind;
  readonly #step: number;
  #next: number;

  constructor(kind: CalloutKind) {
    this.#kind = kind;
    this.#step = (kind & 3) === 3 ? 8 : 4;
    this.#next = this.#step + kind;
  }

  next(): number {
    const token = this.#next;
    const next = token + this.#step;
    this.#next = next > 0xffffffff ? this.#step + this.#kind : next;
    return token;
  }
}

export const calloutKind = (token: number): number => token & 3;
