// The body of an HTTP/1 request on its way into the filters: as it comes where no filter looks at data, else as Envoy's codec
// shows it, which joins the chunks of one read and knows of the end only when the message is complete.

import type { Stream } from '../filter-chain/stream.ts';

const EMPTY: Buffer = Buffer.alloc(0);

export class RequestPieces {
  readonly #stream: Stream;
  /** Chunks of this read that wait to be passed on as one piece. */
  #gathered: Buffer[] | null = null;

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  chunk(bytes: Buffer): void {
    if (!this.#stream.active) return;
    if (this.#stream.decode.showsData) (this.#gathered ??= []).push(bytes);
    else this.#stream.onRequestData(bytes, false);
  }

  /** The read is over. */
  passChunks(): void {
    if (this.#gathered === null) return;
    const pieces = this.#gathered;
    this.#gathered = null;
    const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
    if (this.#stream.active) this.#stream.onRequestData(bytes, false);
  }

  /** The last bytes of a body of known length. */
  last(bytes: Buffer): void {
    const stream = this.#stream;
    if (!stream.active) return;
    if (!stream.decode.showsData || bytes.length === 0) {
      stream.onRequestData(bytes, true);
      return;
    }
    const { generation } = stream;
    stream.onRequestData(bytes, false);
    if (stream.active && stream.generation === generation) stream.onRequestData(EMPTY, true);
  }
}
