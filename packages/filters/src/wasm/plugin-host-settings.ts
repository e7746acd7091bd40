// How each plugin's host is to be: Dragoman's own settings in the bootstrap, which Envoy's schema has no place for:
// node.metadata.dragoman.wasm_host, for all plugins and, under `plugins`, by the name of a plugin. Pure.

import { ABI_VERSIONS, type AbiVersion } from '@dragoman/abi';
import type { Node } from '@dragoman/config';
import type { SanitizationRules } from '@dragoman/vm';
import {
  dragomanSection,
  type JsonObject,
  listOfTexts,
  objectOf,
  type Report,
  refuseUnknown,
  trueOrFalse,
} from './settings-section.ts';

/** What is undefined is not set. */
export interface PluginHostSettings {
  /** Taken for a module without a version marker. */
  readonly abiVersion?: AbiVersion;
  /** A module with an import that nobody knows is refused. */
  readonly strictImports?: boolean;
  /** Path of a file on the machine by its path in the plugin's read-only directory. */
  readonly files?: Readonly<Record<string, string>>;
  /** What the plugin may reach through its host calls. */
  readonly sanitization?: SanitizationRules;
}

/** Settings of plugins by their name. */
export type HostSettingsOf = (pluginName: string) => PluginHostSettings;

const SETTINGS = ['abi_version', 'strict_imports', 'files', 'sanitization'];
/** Names in the configuration of what SanitizationRules has. */
const RULES: Readonly<Record<string, keyof SanitizationRules>> = {
  read_headers: 'readHeaders',
  write_headers: 'writeHeaders',
  clusters: 'clusters',
  read_properties: 'readProperties',
  write_properties: 'writeProperties',
  shared_data: 'sharedData',
  foreign_functions: 'foreignFunctions',
};

/** Reads the settings; tells `report` what is wrong with them, and goes on without it. */
export function readPluginHostSettings(node: Node | undefined, report: Report = () => {}): HostSettingsOf {
  const [section, sectionPath] = dragomanSection(node, 'wasm_host', report);
  const { plugins, ...common } = section;
  const forAll = readLevel(common, sectionPath, report);
  const byName = new Map<string, PluginHostSettings>();
  for (const [name, value] of Object.entries(objectOf(plugins, `${sectionPath}.plugins`, report))) {
    const path = `${sectionPath}.plugins.${name}`;
    byName.set(name, readLevel(objectOf(value, path, report), path, report));
  }
  return pluginName => combine(forAll, byName.get(pluginName) ?? {});
}

/** A plugin's own settings stand before those for all; files and rules one by one. */
function combine(forAll: PluginHostSettings, own: PluginHostSettings): PluginHostSettings {
  const files = { ...forAll.files, ...own.files };
  const sanitization = { ...forAll.sanitization, ...own.sanitization };
  return {
    ...forAll,
    ...own,
    ...(Object.keys(files).length > 0 && { files }),
    ...(Object.keys(sanitization).length > 0 && { sanitization }),
  };
}

function readLevel(section: JsonObject, path: string, report: Report): PluginHostSettings {
  refuseUnknown(section, SETTINGS, path, report);
  const abiVersion = readAbiVersion(section.abi_version, `${path}.abi_version`, report);
  const strictImports = trueOrFalse(section.strict_imports, `${path}.strict_imports`, report);
  return {
    ...(abiVersion !== undefined && { abiVersion }),
    ...(strictImports !== undefined && { strictImports }),
    ...(section.files !== undefined && { files: readFiles(section.files, `${path}.files`, report) }),
    ...(section.sanitization !== undefined && {
      sanitization: readRules(section.sanitization, `${path}.sanitization`, report),
    }),
  };
}

function readAbiVersion(value: unknown, path: string, report: Report): AbiVersion | undefined {
  if (value === undefined) return undefined;
  const version = ABI_VERSIONS.find(known => known === value);
  if (version === undefined) report(path, `expected one of ${ABI_VERSIONS.join(', ')}`);
  return version;
}

/** Guest paths are absolute and plain: what the plugin asks for is looked up by comparing texts. */
function readFiles(value: unknown, path: string, report: Report): Record<string, string> {
  const files: Record<string, string> = {};
  for (const [guestPath, hostPath] of Object.entries(objectOf(value, path, report))) {
    if (!/^(\/[^/\0]+)+$/.test(guestPath) || /\/\.\.?(\/|$)/.test(guestPath))
      report(
        `${path}.${guestPath}`,
        'expected an absolute path without "." and ".." as the plugin will see it',
      );
    else if (typeof hostPath !== 'string' || hostPath === '')
      report(`${path}.${guestPath}`, 'expected the path of a file');
    else files[guestPath] = hostPath;
  }
  for (const guestPath of Object.keys(files))
    if (Object.keys(files).some(other => other.startsWith(`${guestPath}/`)))
      report(`${path}.${guestPath}`, 'is a file and a directory at the same time');
  return files;
}

function readRules(value: unknown, path: string, report: Report): SanitizationRules {
  const section = objectOf(value, path, report);
  refuseUnknown(section, Object.keys(RULES), path, report);
  const rules: { -readonly [key in keyof SanitizationRules]: SanitizationRules[key] } = {};
  for (const [key, rule] of Object.entries(RULES)) {
    const names = listOfTexts(section[key], `${path}.${key}`, report);
    if (names !== undefined)
      rules[rule] = key.endsWith('headers') ? names.map(name => name.toLowerCase()) : names;
  }
  return rules;
}
