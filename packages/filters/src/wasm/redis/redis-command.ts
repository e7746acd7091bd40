// Commands in RESP, as clients send them: an array of bulk strings. Queries of plugins share a connection, so each must be
// one whole command that has one reply.

const LIMIT_BYTES = 512 * 1024 * 1024;

/** Commands whose replies do not come one to one, and would be taken for those of others. */
const WITHOUT_ONE_REPLY: ReadonlySet<string> = new Set([
  'subscribe',
  'psubscribe',
  'ssubscribe',
  'unsubscribe',
  'punsubscribe',
  'sunsubscribe',
  'monitor',
  'sync',
  'psync',
  'client reply',
]);

/** The arguments of one whole command; null for anything else. */
export function parseCommand(query: Buffer): Buffer[] | null {
  let at = 0;
  const readCount = (type: string): number => {
    const end = query.indexOf('\r\n', at, 'latin1');
    const line = end < 0 || end - at > 12 ? '' : query.latin1Slice(at, end);
    at = end + 2;
    const count = line.startsWith(type) && /^\d+$/.test(line.slice(1)) ? Number(line.slice(1)) : -1;
    return count > LIMIT_BYTES ? -1 : count;
  };
  const count = readCount('*');
  if (count < 1) return null;
  const parts: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const size = readCount('$');
    if (size < 0 || query.length < at + size + 2) return null;
    if (query.latin1Slice(at + size, at + size + 2) !== '\r\n') return null;
    parts.push(query.subarray(at, at + size));
    at += size + 2;
  }
  return at === query.length ? parts : null;
}

/** True for one whole command that gets exactly one reply. */
export function hasOneReply(query: Buffer): boolean {
  const parts = parseCommand(query);
  if (parts === null) return false;
  const name = parts[0].latin1Slice().toLowerCase();
  if (WITHOUT_ONE_REPLY.has(name)) return false;
  return (
    parts.length < 2 ||
    !WITHOUT_ONE_REPLY.has(`${name} ${parts[1].subarray(0, 16).latin1Slice().toLowerCase()}`)
  );
}

export function encodeCommand(...parts: readonly string[]): Buffer {
  const texts = parts.map(part => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
  return Buffer.from(`*${parts.length}\r\n${texts.join('')}`);
}
