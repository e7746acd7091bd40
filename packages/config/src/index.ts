// Entry of @dragoman/config.
export type * from '../descriptor/types.ts';
export {
  type BootstrapInput,
  type ConfigText,
  type LoadOptions,
  type LoadResult,
  loadBootstrap,
} from './bootstrap.ts';
export type { CheckOptions } from './check/check.ts';
export type { FormatStringCheck } from './check/context.ts';
export { brokenRegex } from './check/regex.ts';
export { toProtoJson } from './encode/proto-json.ts';
export { encodeMessage } from './encode/wire.ts';
export { type ConfigError, formatConfigError } from './errors.ts';
export {
  type DecodeOptions,
  type DecodeResult,
  decodeBytes,
  decodeMessage,
  decodeResource,
  type MessageOf,
  type ResourceOptions,
} from './messages.ts';
export type {
  ExtensionTable,
  FieldTable,
  HarmlessTable,
  MessageCheck,
  ReportMistake,
  SupportDeclaration,
} from './support/support.ts';
export type { Json } from './text/source.ts';
