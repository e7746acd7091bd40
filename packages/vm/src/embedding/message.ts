// What goes between an embedder and a plugin: pieces of a request or response, and what became of each. Plain data that
// can be posted to other threads.

/** Names in lower case, pseudo headers (":path", ":status") among them; values are latin1, one char per byte. */
export type HeaderEntries = readonly (readonly [name: string, value: string])[];

/** A whole request or response. Bodies given as text are UTF-8. */
export interface Message {
  readonly headers: HeaderEntries | Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly trailers?: HeaderEntries;
}

/** A part of a request or response, in the order of its life: the first has the headers, the last ends it. */
export interface Piece {
  readonly side: 'request' | 'response';
  /** In the first piece of its side, and only there. */
  readonly headers?: HeaderEntries;
  readonly body?: Uint8Array;
  /** Only in the last piece. */
  readonly trailers?: HeaderEntries;
  readonly endOfStream: boolean;
}

/** A response to be sent without asking the upstream, or in place of what the upstream has said. */
export interface Answer {
  readonly status: number;
  /** Without pseudo headers. */
  readonly headers: HeaderEntries;
  readonly body: Uint8Array;
  /** Why, in one word for logs; '' when the plugin gave no reason. */
  readonly details: string;
  /** 0 to 16, or -1 for none. */
  readonly grpcStatus: number;
}

/** What became of a piece. */
export type Passage =
  | {
      /** Send on what is here; it may be nothing when the plugin holds the piece until it has seen more. */
      readonly outcome: 'continue';
      /** Null while the plugin holds them, and after they have been given out once. */
      readonly headers: HeaderEntries | null;
      readonly body: Uint8Array;
      readonly trailers: HeaderEntries | null;
    }
  | { readonly outcome: 'answer'; readonly answer: Answer }
  /** Cut the stream: the plugin has closed it, or the exchange was ended while it waited. */
  | { readonly outcome: 'close' };

/** Values of attributes by their dotted path ("source.address"); whole numbers are integers for the plugin. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;
