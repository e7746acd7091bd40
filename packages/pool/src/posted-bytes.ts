// Bodies on their way to another thread: a view of a small part of a big buffer would be posted with all of the buffer.

/** The same with a body that lies in a buffer of its own. */
export function postable<T extends { readonly body?: Uint8Array }>(parts: T): T {
  const { body } = parts;
  if (body === undefined || body.byteLength === body.buffer.byteLength) return parts;
  return { ...parts, body: new Uint8Array(body) };
}
