// Changes to the query parameters of a request target, as an authorization service asks for them.

/** The path with parameters set and removed; as it was when there is nothing to do. */
export function changedQuery(
  path: string,
  set: readonly (readonly [key: string, value: string])[],
  removed: readonly string[],
): string {
  if (set.length === 0 && removed.length === 0) return path;
  const mark = path.indexOf('?');
  const parameters = new URLSearchParams(mark < 0 ? '' : path.slice(mark + 1));
  for (const [key, value] of set) parameters.set(key, value);
  for (const key of removed) parameters.delete(key);
  const query = parameters.toString();
  const bare = mark < 0 ? path : path.slice(0, mark);
  return query === '' ? bare : `${bare}?${query}`;
}
