// c-heavy: sixty header operations on every request: sets twenty headers, reads them back, removes them. How many came
// back as they were set is shown in the response header `x-heavy`; it is 20. No SDK and no C library.
#include "../../../examples/plugins/c-header/proxy_wasm.h"

#define HEADERS 20

PROXY_IMPORT(proxy_replace_header_map_value)
proxy_status proxy_replace_header_map_value(proxy_map map, const char *key, size_t key_size, const char *value,
                                            size_t value_size);
PROXY_IMPORT(proxy_get_header_map_value)
proxy_status proxy_get_header_map_value(proxy_map map, const char *key, size_t key_size, char **value,
                                        size_t *value_size);
PROXY_IMPORT(proxy_remove_header_map_value)
proxy_status proxy_remove_header_map_value(proxy_map map, const char *key, size_t key_size);

PROXY_EXPORT(proxy_abi_version_0_2_1) void proxy_abi_version_0_2_1(void) {}

// Values live until the next one is read: one place for all of them is enough.
static char received[64];
PROXY_EXPORT(proxy_on_memory_allocate) void *proxy_on_memory_allocate(size_t size) {
  return size <= sizeof received ? received : NULL;
}

#define KEY_SIZE 10
#define VALUE_SIZE 8
static char keys[HEADERS][KEY_SIZE];
static char values[HEADERS][VALUE_SIZE];
static int unchanged;

// "x-heavy-07" and "value-07".
static void write_text(char *text, const char *prefix, int prefix_size, int number) {
  for (int i = 0; i < prefix_size; i++) text[i] = prefix[i];
  text[prefix_size] = (char)('0' + number / 10);
  text[prefix_size + 1] = (char)('0' + number % 10);
}

PROXY_EXPORT(proxy_on_configure) uint32_t proxy_on_configure(uint32_t root_context, size_t configuration_size) {
  (void)root_context, (void)configuration_size;
  for (int i = 0; i < HEADERS; i++) {
    write_text(keys[i], "x-heavy-", KEY_SIZE - 2, i);
    write_text(values[i], "value-", VALUE_SIZE - 2, i);
  }
  return 1;
}

static int is_value(const char *text, size_t size, int number) {
  if (size != VALUE_SIZE) return 0;
  for (int i = 0; i < VALUE_SIZE; i++)
    if (text[i] != values[number][i]) return 0;
  return 1;
}

PROXY_EXPORT(proxy_on_request_headers)
proxy_action proxy_on_request_headers(uint32_t context, uint32_t header_count, uint32_t end_of_stream) {
  (void)context, (void)header_count, (void)end_of_stream;
  unchanged = 0;
  for (int i = 0; i < HEADERS; i++)
    proxy_replace_header_map_value(PROXY_MAP_REQUEST_HEADERS, keys[i], KEY_SIZE, values[i], VALUE_SIZE);
  for (int i = 0; i < HEADERS; i++) {
    char *value;
    size_t size;
    if (proxy_get_header_map_value(PROXY_MAP_REQUEST_HEADERS, keys[i], KEY_SIZE, &value, &size) == PROXY_STATUS_OK)
      unchanged += is_value(value, size, i);
  }
  for (int i = 0; i < HEADERS; i++) proxy_remove_header_map_value(PROXY_MAP_REQUEST_HEADERS, keys[i], KEY_SIZE);
  return PROXY_ACTION_CONTINUE;
}

PROXY_EXPORT(proxy_on_response_headers)
proxy_action proxy_on_response_headers(uint32_t context, uint32_t header_count, uint32_t end_of_stream) {
  (void)context, (void)header_count, (void)end_of_stream;
  char count[2] = {(char)('0' + unchanged / 10), (char)('0' + unchanged % 10)};
  proxy_add_header_map_value(PROXY_MAP_RESPONSE_HEADERS, "x-heavy", 7, count, sizeof count);
  return PROXY_ACTION_CONTINUE;
}
