// as-header: adds one header to every request and one to every response.
//
//   x-as-header: <value>     both ways
//
// The value is the plugin configuration without the white space around it (a
// block in YAML ends with a newline), "as-header" where there is no configuration.
// The plugin's root_id must be "as_header", the name registered at the end.

// Makes the functions that the proxy calls visible to it.
export * from "@solo-io/proxy-runtime/proxy";
import {
  Context,
  FilterHeadersStatusValues,
  registerRootContext,
  RootContext,
  stream_context,
} from "@solo-io/proxy-runtime";

class HeaderRoot extends RootContext {
  value: string = "as-header";

  // The SDK's own onConfigure cannot read an empty configuration (it traps).
  onConfigure(configuration_size: u32): bool {
    if (configuration_size == 0) return true;
    if (!super.onConfigure(configuration_size)) return false;
    this.value = this.getConfiguration().trim();
    return true;
  }

  createContext(context_id: u32): Context {
    return new HeaderStream(context_id, this);
  }
}

class HeaderStream extends Context {
  value: string;

  constructor(context_id: u32, root: HeaderRoot) {
    super(context_id, root);
    this.value = root.value;
  }

  onRequestHeaders(count: u32, end_of_stream: bool): FilterHeadersStatusValues {
    stream_context.headers.request.add("x-as-header", this.value);
    return FilterHeadersStatusValues.Continue;
  }

  onResponseHeaders(count: u32, end_of_stream: bool): FilterHeadersStatusValues {
    stream_context.headers.response.add("x-as-header", this.value);
    return FilterHeadersStatusValues.Continue;
  }
}

registerRootContext((context_id: u32): RootContext => new HeaderRoot(context_id), "as_header");
