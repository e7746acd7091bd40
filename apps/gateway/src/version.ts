// What this build calls itself, in the shape of Envoy's version texts:
// revision/version/state/build type/TLS library. Tools read the second and third field.

import manifest from '../package.json' with { type: 'json' };

/** A release is known by its number; the revision of a checkout is git's affair. */
const UNKNOWN_REVISION = '0'.repeat(40);

export const VERSION: string = manifest.version;
export const BUILD_VERSION = `${UNKNOWN_REVISION}/${VERSION}/Clean/RELEASE/OpenSSL`;

/** What --version prints. */
export function versionLine(program: string): string {
  return `\n${program}  version: ${BUILD_VERSION}\n`;
}
