// One body on its way through zlib: pieces go in as they come, what comes out follows on the filter's next turn. The filter
// holds the end of the body back until everything is out.

import type { Engine, Library } from './library.ts';

/** Who gets what comes out. */
export interface DecompressionSink {
  onDecompressed(bytes: Buffer): void;
  /** Nothing more comes: the body is complete, or what follows cannot be decompressed. */
  onEnd(): void;
}

export class BodyDecompression {
  readonly #engine: Engine;
  readonly #maxRatio: number;
  readonly #sink: DecompressionSink;
  #bytesIn = 0;
  #bytesOut = 0;
  #over = false;
  #ended = false;

  constructor(library: Library, sink: DecompressionSink) {
    this.#engine = library.create();
    this.#maxRatio = library.maxRatio;
    this.#sink = sink;
    this.#engine.on('data', (bytes: Buffer) => this.#onData(bytes));
    this.#engine.on('end', () => this.#finish());
    this.#engine.on('error', () => this.#finish());
  }

  /** `bytes` is copied. */
  write(bytes: Buffer): void {
    if (this.#over || bytes.length === 0) return;
    this.#bytesIn += bytes.length;
    this.#engine.write(Buffer.from(bytes));
  }

  /** No more input: onEnd follows, also when it has all been decompressed before. */
  end(): void {
    this.#ended = true;
    if (this.#over) queueMicrotask(() => this.#sink.onEnd());
    else this.#engine.end();
  }

  /** The stream is gone; the sink hears nothing more. */
  destroy(): void {
    this.#over = true;
    this.#ended = false;
    this.#engine.destroy();
  }

  #onData(bytes: Buffer): void {
    if (this.#over) return;
    this.#bytesOut += bytes.length;
    if (this.#bytesOut > this.#bytesIn * this.#maxRatio) this.#finish();
    else this.#sink.onDecompressed(bytes);
  }

  /** As Envoy does: what could be decompressed stands, the rest is dropped. */
  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#engine.destroy();
    if (this.#ended) this.#sink.onEnd();
  }
}
