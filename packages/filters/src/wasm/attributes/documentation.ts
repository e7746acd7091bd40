// docs/PROPERTIES.md, written from the tables of attributes; `node tools/properties.ts` writes it, a test beside this file
// holds it against the tables.

import type { Attribute } from './attribute.ts';
import { ATTRIBUTE_GROUPS, ROOT_ATTRIBUTES } from './attribute-table.ts';
import { LEGACY_NAMES } from './configuration-attributes.ts';

export const PROPERTIES_DOCUMENT = 'docs/PROPERTIES.md';

const INTRODUCTION = `# Properties of Proxy-Wasm plugins

What \`proxy_get_property\` answers, and the names that CEL expressions of plugins (\`expr_create\`) know. Written from the
code by \`node tools/properties.ts\`. A path is its components joined by NUL bytes; here they are joined by dots. A path that has no
value now is NOT_FOUND.

## Types

| Type | Bytes |
|---|---|
| string | as they are |
| int, uint | 8, little-endian |
| bool | 1: 0 or 1 |
| timestamp, duration | 8, little-endian: nanoseconds, of a timestamp since 1970 |
| map | as header maps are serialised; a further component reads one key |
| message | a serialised protobuf message; a further component reads one field, numbers of a Struct are doubles (8 bytes, IEEE) |

Without a further component a root such as \`request\` has no form: SERIALIZATION_FAILURE.
`;

const PLUGIN = `
## The plugin

| Path | Type | Has a value |
|---|---|---|
| \`plugin_name\` | string | always, also without a stream |
| \`plugin_root_id\` | string | always, also without a stream |
| \`plugin_vm_id\` | string | always, also without a stream |
`;

const OWN = `
## What plugins set

\`proxy_set_property\` keeps a value under its raw path: other plugins of the stream read it under the same name, all filters and access
logs as \`filter_state.wasm.<name>\` (\`%FILTER_STATE(wasm.<name>)%\`). Names of the tables above come first. A value
holds bytes, can be set again, and lives as long as the stream, unless the plugin has declared otherwise for its name (\`declare_property\` in
[FOREIGN_FUNCTIONS](FOREIGN_FUNCTIONS.md)). A path of several components is kept as one name, NUL bytes included, and cannot
be read again, as in Envoy.
`;

const row = (path: string, { type, when }: Attribute): string => `| \`${path}\` | ${type} | ${when} |`;

const section = (title: string, rows: readonly string[]): string =>
  `\n## ${title}\n\n| Path | Type | Has a value |\n|---|---|---|\n${rows.join('\n')}\n`;

/** The whole text. */
export function propertiesDocument(): string {
  const parts = [INTRODUCTION];
  for (const [root, group] of ATTRIBUTE_GROUPS)
    parts.push(
      section(
        root,
        Object.entries(group).map(([name, attribute]) => row(`${root}.${name}`, attribute)),
      ),
    );
  const others = [...ROOT_ATTRIBUTES].filter(([name]) => !LEGACY_NAMES.has(name));
  parts.push(
    section(
      'Other roots',
      others.map(([name, attribute]) => row(name, attribute)),
    ),
    section(
      'Names that Envoy dropped in 1.33',
      [...LEGACY_NAMES].map(name => `| \`${name}\` | as \`xds.${name}\` | as \`xds.${name}\` |`),
    ),
    PLUGIN,
    OWN,
  );
  return parts.join('');
}
