// c-header: adds one header to every request and one to every response.
//
//   x-c-header: <value>      both ways
//
// The value is the plugin configuration (up to 256 bytes) without the white
// space around it, "c-header" where there is no configuration. No SDK and no C
// library: the ABI as it is.
#include "proxy_wasm.h"

#define VALUE_LIMIT_BYTES 256

static const char name[] = "x-c-header";
static const char default_value[] = "c-header";
static const char refused[] = "the configuration is longer than 256 bytes or cannot be read";

static const char *value = default_value;
static size_t value_size = sizeof(default_value) - 1;

// The only thing the host ever hands to this plugin is its configuration, so
// one fixed place is all the allocator has; a null pointer refuses the rest.
static char value_buffer[VALUE_LIMIT_BYTES];

PROXY_EXPORT(proxy_on_memory_allocate) void *proxy_on_memory_allocate(size_t size) {
  return size <= VALUE_LIMIT_BYTES ? value_buffer : NULL;
}

// An empty function by whose name the host knows the ABI version.
PROXY_EXPORT(proxy_abi_version_0_2_1) void proxy_abi_version_0_2_1(void) {}

static int is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

PROXY_EXPORT(proxy_on_configure) uint32_t proxy_on_configure(uint32_t root_context, size_t configuration_size) {
  (void)root_context;
  if (configuration_size == 0) return 1;
  char *bytes;
  size_t size;
  if (configuration_size > VALUE_LIMIT_BYTES ||
      proxy_get_buffer_bytes(PROXY_BUFFER_PLUGIN_CONFIGURATION, 0, configuration_size, &bytes, &size) !=
          PROXY_STATUS_OK) {
    proxy_log(PROXY_LOG_ERROR, refused, sizeof(refused) - 1);
    return 0;
  }
  // A block in YAML ends with a newline, which no header value may contain.
  while (size > 0 && is_space(bytes[size - 1])) size--;
  while (size > 0 && is_space(*bytes)) bytes++, size--;
  value = bytes;
  value_size = size;
  return 1;
}

static proxy_action add_header(proxy_map map) {
  proxy_add_header_map_value(map, name, sizeof(name) - 1, value, value_size);
  return PROXY_ACTION_CONTINUE;
}

PROXY_EXPORT(proxy_on_request_headers)
proxy_action proxy_on_request_headers(uint32_t context, uint32_t header_count, uint32_t end_of_stream) {
  (void)context, (void)header_count, (void)end_of_stream;
  return add_header(PROXY_MAP_REQUEST_HEADERS);
}

PROXY_EXPORT(proxy_on_response_headers)
proxy_action proxy_on_response_headers(uint32_t context, uint32_t header_count, uint32_t end_of_stream) {
  (void)context, (void)header_count, (void)end_of_stream;
  return add_header(PROXY_MAP_RESPONSE_HEADERS);
}
