// The part of the Proxy-Wasm ABI 0.2.1 that this plugin uses, as C declarations.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define PROXY_IMPORT(name) __attribute__((import_module("env"), import_name(#name)))
#define PROXY_EXPORT(name) __attribute__((export_name(#name)))

typedef enum { PROXY_MAP_REQUEST_HEADERS = 0, PROXY_MAP_RESPONSE_HEADERS = 2 } proxy_map;
typedef enum { PROXY_BUFFER_PLUGIN_CONFIGURATION = 7 } proxy_buffer;
typedef enum { PROXY_ACTION_CONTINUE = 0, PROXY_ACTION_PAUSE = 1 } proxy_action;
typedef enum { PROXY_LOG_INFO = 2, PROXY_LOG_ERROR = 4 } proxy_log_level;
typedef enum { PROXY_STATUS_OK = 0 } proxy_status;

PROXY_IMPORT(proxy_log)
proxy_status proxy_log(proxy_log_level level, const char *message, size_t message_size);

PROXY_IMPORT(proxy_add_header_map_value)
proxy_status proxy_add_header_map_value(proxy_map map, const char *key, size_t key_size, const char *value,
                                        size_t value_size);

// The host stores the bytes in memory that it asked proxy_on_memory_allocate for.
PROXY_IMPORT(proxy_get_buffer_bytes)
proxy_status proxy_get_buffer_bytes(proxy_buffer buffer, size_t start, size_t max_size, char **bytes, size_t *size);
