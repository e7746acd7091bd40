// The Proxy-Wasm ABI versions and how a module says which one it was built for.
// Reading the export section itself is the business of whoever loads modules (@dragoman/vm).

/** Versions this host speaks. A later 0.2.x marker is spoken to as 0.2.1. */
export const ABI_VERSIONS = ['0.1.0', '0.2.0', '0.2.1'] as const;
export type AbiVersion = (typeof ABI_VERSIONS)[number];

/** Every marker export begins like this; the rest is the version with underscores. */
export const ABI_MARKER_PREFIX = 'proxy_abi_version_';

const KNOWN = /^proxy_abi_version_0_(1_0|2_\d+)$/;

/** The version a marker export announces, or null for any other name (S1). */
export function versionOfMarker(exportName: string): AbiVersion | null {
  const match = KNOWN.exec(exportName);
  if (match === null) return null;
  if (match[1] === '1_0') return '0.1.0';
  return match[1] === '2_0' ? '0.2.0' : '0.2.1';
}

/**
 * The version of a module from its function exports in export order: the first known marker decides (S2).
 * Null when there is none.
 */
export function detectAbiVersion(functionExports: Iterable<string>): AbiVersion | null {
  for (const name of functionExports) {
    const version = versionOfMarker(name);
    if (version !== null) return version;
  }
  return null;
}
