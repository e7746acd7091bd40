// Property paths as guests send them: components separated by zero bytes (ABI reference 8.1).

/**
 * The components of a path. Rust and Go send no trailing zero, C++ sends one: both mean the same (S94).
 * An empty path has no components.
 */
export function parsePropertyPath(path: string): string[] {
  if (path.length === 0) return [];
  const parts = path.split('\0');
  if (parts[parts.length - 1] === '') parts.pop();
  return parts;
}
