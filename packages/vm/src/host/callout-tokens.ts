// Tokens of call-outs: the low two bits say what kind it is, so that a call on the wrong kind can be told from one on
// an unknown token (ABI reference 6.1). 0 is never a token.

export const CalloutKind = { Http: 0, GrpcCall: 1, GrpcStream: 2, Dns: 3 } as const;
export type CalloutKind = (typeof CalloutKind)[keyof typeof CalloutKind];

/** A counter per VM and kind. */
export class CalloutTokens {
  #next: number;

  constructor(kind: CalloutKind) {
    this.#next = 4 + kind;
  }

  next(): number {
    const token = this.#next;
    this.#next = token + 4 > 0xffffffff ? (token & 3) + 4 : token + 4;
    return token;
  }
}

export const calloutKind = (token: number): number => token & 3;
