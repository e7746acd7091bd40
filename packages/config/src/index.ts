// Entry of @dragoman/config.
export type * from '../descriptor/types.ts';
export {
  type BootstrapInput,
  type ConfigText,
  type LoadOptions,
  type LoadResult,
  loadBootstrap,
} from './bootstrap.ts';
export { type ConfigError, formatConfigError } from './errors.ts';
export type { Json } from './text/source.ts';
