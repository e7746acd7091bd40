// The error type of the house: an operator reads a code, the place, the fact and the number that broke it.
// Guests get statuses and clients get mapped replies; neither of them ever sees one of these.

/** An error with a stable code `ERR_DRAGOMAN_<FACT>`; the codes are listed in docs/ERRORS.md. */
export class DragomanError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'DragomanError';
    this.code = `ERR_DRAGOMAN_${code}`;
  }
}

/** Fails with ERR_DRAGOMAN_INVARIANT when a condition that our own code guarantees does not hold. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new DragomanError('INVARIANT', message);
}
