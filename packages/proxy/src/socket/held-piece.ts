// The latest DATA of an HTTP/2 stream, held until it is known whether it is the last: node:http2 tells of the end in an event
// of its own, while Envoy's filters see the last bytes and the end as one. Only for streams whose filters look at data.

export class HeldPiece {
  readonly #pass: (bytes: Buffer) => void;
  #bytes: Buffer | null = null;
  #scheduled = false;

  /** `pass` gets every piece that turned out not to be the last. */
  constructor(pass: (bytes: Buffer) => void) {
    this.#pass = pass;
  }

  /** The end, if it came in the same read, is told before the event loop's next phase. */
  hold(bytes: Buffer): void {
    this.passOn();
    this.#bytes = bytes;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(onNextPhase, this);
  }

  /** The piece that is held, which is the last one. */
  take(): Buffer | null {
    const bytes = this.#bytes;
    this.#bytes = null;
    return bytes;
  }

  passOn(): void {
    const bytes = this.take();
    if (bytes !== null) this.#pass(bytes);
  }

  /** Called by the event loop. */
  onNextPhase(): void {
    this.#scheduled = false;
    this.passOn();
  }
}

function onNextPhase(piece: HeldPiece): void {
  piece.onNextPhase();
}
