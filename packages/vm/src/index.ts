// Entry of @dragoman/vm: a Proxy-Wasm host. Loads, checks and runs modules; knows no proxy.
export { ArenaSharedData, ArenaSharedQueues } from './arena-state.ts';
export { Context } from './contexts/context.ts';
export { RootContext, type RootOptions } from './contexts/root-context.ts';
export { FAILED, STOP_ALL_AND_WATERMARK, STOP_NO_BUFFER, StreamContext } from './contexts/stream-context.ts';
export { Exchange, type ExchangeOptions, type PluginRunner } from './embedding/exchange.ts';
export { type HttpCalloutOptions, HttpCallouts } from './embedding/http-callouts.ts';
export type { Answer, Attributes, HeaderEntries, Message, Passage, Piece } from './embedding/message.ts';
export { type LimitOptions, Plugin, type PluginOptions, type PluginSettings } from './embedding/plugin.ts';
export { ModuleError, ModuleLimitsError, PluginStartError } from './errors.ts';
export type { ForeignFunction, ForeignResult } from './foreign/foreign-function.ts';
export { ProtobufError, readBytesFields, writeField } from './foreign/protobuf.ts';
export { standardForeignFunctions } from './foreign/standard-functions.ts';
export { HeaderList } from './header-list.ts';
export type { HostFunction } from './host/host-function.ts';
export { clusterOfUpstream } from './host/redis-call.ts';
export { Guard } from './limits/guard.ts';
export {
  DEFAULT_DEADLINES,
  DEFAULT_MEMORY_CAP_PAGES,
  type Deadlines,
  PAGE_BYTES,
} from './limits/imposed-limits.ts';
export {
  type RewriteOptions,
  type RewrittenModule,
  rewriteModule,
} from './limits/module-rewriter/module-rewriter.ts';
export { stopsEndlessLoops } from './limits/self-test.ts';
export { WatchdogThread, type WatchdogThreadOptions } from './limits/watchdog-thread.ts';
export { type LocalHostOptions, localHost } from './local-host.ts';
export { type LocalMetric, LocalMetrics } from './local-metrics.ts';
export { LocalStream, type LocalStreamOptions, type StepResult } from './local-stream.ts';
export { MemoryBody } from './memory-body.ts';
export {
  type CheckOptions,
  checkModule,
  compileModule,
  compileModuleSync,
  type ModuleInfo,
  type PluginModule,
} from './module/plugin-module.ts';
export {
  descend,
  encodeProperty,
  integerProperty,
  jsonProperty,
  nanosecondsProperty,
  type PropertyMap,
  type PropertyMessage,
  type PropertyValue,
  utf8Property,
} from './property-value.ts';
export type { SanitizationRules } from './sanitization/rules.ts';
export { LocalSharedData } from './shared-data.ts';
export { LocalSharedQueues } from './shared-queues.ts';
export type { GuestBody, GuestHeaderMap, LocalResponse, StreamHost } from './stream-host.ts';
export type { Tracer } from './tracer.ts';
export { Vm, type VmOptions } from './vm.ts';
export type {
  Callout,
  DnsRecord,
  FailureCause,
  GrpcCall,
  GrpcListener,
  GrpcStream,
  GrpcUnaryCall,
  HttpCall,
  HttpCallResponse,
  Metrics,
  RedisService,
  SharedCount,
  SharedData,
  SharedQueues,
  VmFailure,
  VmHost,
} from './vm-host.ts';
