// The access log type envoy.access_loggers.wasm: a plugin whose root context hears of every finished stream or connection
// in proxy_on_log, and can read all its properties and headers.

import { Status } from '@dragoman/abi';
import type { Node } from '@dragoman/config';
import type { AccessLogSink, AccessLogType, FilterContext, FormatInput } from '@dragoman/proxy';
import type { GuestHeaderMap, PropertyValue, RootContext, StreamHost } from '@dragoman/vm';
import { InfoAttributes, routeOf } from './connection-properties.ts';
import type { PluginHandle } from './plugin-handle.ts';
import { checkHeldPlugin, type PluginHolder, type WasmPluginConfig } from './plugin-settings.ts';
import { type PropertyScope, startPlugin } from './started-plugin.ts';

export const wasmAccessLogType: AccessLogType<PluginHolder> = {
  name: 'envoy.access_loggers.wasm',
  configTypes: ['envoy.extensions.access_loggers.wasm.v3.WasmAccessLog'],
  validate: checkHeldPlugin,
  create(config, context) {
    const { plugin, node } = startPlugin(config.config as WasmPluginConfig, context);
    return new WasmAccessLog(plugin, context, node);
  },
};

/** One access log; it is the host of what is logged just now. */
export class WasmAccessLog implements AccessLogSink, StreamHost, PropertyScope {
  readonly plugin: PluginHandle;
  readonly listener: FilterContext['listener'];
  readonly clusters: FilterContext['clusters'];
  readonly node: Node | undefined;
  #attributes: InfoAttributes | null = null;

  constructor(plugin: PluginHandle, context: FilterContext, node: Node | undefined) {
    this.plugin = plugin;
    this.listener = context.listener;
    this.clusters = context.clusters;
    this.node = node;
  }

  /** Lines that are written while a stream goes on are not for plugins. */
  log(input: FormatInput): void {
    if (input.info.endMs < 0) return;
    const root: RootContext | null = this.plugin.acquire();
    if (root === null) return;
    root.log(this, input, context => {
      this.#attributes = new InfoAttributes(input.info, routeOf(input), this, context);
    });
    this.#attributes = null;
  }

  close(): void {
    this.plugin.release();
  }

  getProperty(path: readonly string[]): PropertyValue {
    return this.#attributes?.read(path);
  }

  /** What is over cannot be changed. */
  setProperty(): Status {
    return Status.NotFound;
  }

  // Nothing can be done with a stream that is over; asking for it succeeds without effect, as in Envoy.
  continueRequest(): void {}
  continueResponse(): void {}
  closeStream(): void {}
  sendLocalResponse(): void {}
  clearRouteCache(): void {}
  createRequestTrailers(): GuestHeaderMap | null {
    return null;
  }
  createResponseTrailers(): GuestHeaderMap | null {
    return null;
  }
}
