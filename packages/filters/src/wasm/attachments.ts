// What the main thread prepares for Wasm filters and workers look up, by key, among a configuration's attachments.

import type { PluginModule } from '@dragoman/vm';

/** Compiled code; its key is PluginSettings.codeKey. */
export interface CompiledCode extends PluginModule {
  /** SHA-256 of the bytes, hexadecimal. */
  readonly sha256: string;
}

/** Key of the node of the bootstrap, which plugins read as xds.node. */
export const NODE_ATTACHMENT = 'wasm:node';
