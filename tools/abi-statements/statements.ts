// What a Proxy-Wasm host has to do, as 110 numbered statements in our own words. The numbers are those that tests carry
// (S1 to S110); (E) marks what Envoy chose where the ABI leaves it open.

export interface Chapter {
  readonly title: string;
  /** Number of its first statement. */
  readonly from: number;
  readonly statements: readonly string[];
}

export const CHAPTERS: readonly Chapter[] = [
  {
    title: 'Loading',
    from: 1,
    statements: [
      'The marker export says the version: 0.1.0, 0.2.0, 0.2.1. None, an unknown one or one that is no function is a load error',
      'Of two markers the first exported decides',
      'A module without an allocator is a load error',
      'With both allocators, only `malloc` is called',
      'An unknown import is named: a load error when strict, a trap when called otherwise',
      'A 0.2.0 module may import what came with 0.2.1 (leniency)',
      'The calls that only 0.1.0 has can be imported and work',
      'WASI is there under both of its names and answers alike',
      '`_initialize`, then `main(0, 0)`; `_start` is left alone',
      '`_initialize`, then `__main_void` when there is no `main`',
      'Only `_start`: called once, `main` not',
      'Without any start function the module loads',
      'Logging and output work while the guest starts; other host calls answer a status there (Envoy: fail the VM)',
      'Host calls inside the allocator do no harm (Envoy: fail the VM)',
      'Header callbacks with two or three parameters are both called as they are declared',
      'A module without callbacks lets everything pass',
    ],
  },
  {
    title: 'Lifecycle',
    from: 17,
    statements: [
      'The first root is 1: context_create, vm_start, configure, with the sizes of the configurations',
      'A second plugin on the VM is a new root, and vm_start is called again',
      'vm_start or configure answering 0 refuses the plugin',
      '`plugin_root_id` is readable inside context_create of a root, also when empty',
      'Buffer 7 in configure but not in a tick; buffer 6 in both',
      'One context per HTTP request, child of the root, announced before its headers',
      'The end of an HTTP stream: log, done, delete, once each (E)',
      'The end of a TCP connection: connection_close, done, log, delete (E)',
      'done answering 0 does not put off the delete of a stream (E)',
      'done answering 0 puts off the delete of a root until proxy_done, and until that callback is over',
      'proxy_done that nobody waits for is NOT_FOUND',
      'A request answered by an earlier filter: create, log, done, delete and nothing else (E)',
      'Ids of living contexts never repeat; roots and streams share one counter',
    ],
  },
  {
    title: 'Memory and encoding',
    from: 30,
    statements: [
      'An empty result is pointer 0 and size 0, without an allocation',
      'Any other result is one allocation of exactly its size',
      'Bad pointers, in or out, are INVALID_MEMORY_ACCESS',
      'An allocator that answers 0 makes it INVALID_MEMORY_ACCESS; the VM lives on',
      'Data arrives although the memory grew inside the allocator',
      'The bytes of serialised pairs',
      'No bytes, one zero byte, four zero bytes: an empty map',
      'Malformed pairs empty the map, and that is OK',
      'Too many pairs, or too many bytes of them, are an empty map',
    ],
  },
  {
    title: 'Headers',
    from: 39,
    statements: [
      'Header names match in any case',
      'A missing header is NOT_FOUND, for 0.1.0 OK and empty; an empty one is OK and empty',
      'Of two values get has the first, pairs both, the property both joined',
      'add appends, replace leaves one, remove of nothing is OK',
      'set_pairs drops what it does not list, pseudo headers too',
      'Map 8 is BAD_ARGUMENT for all seven calls',
      'Response headers before there are any: value BAD_ARGUMENT, pairs OK and empty',
      'Request headers are gone once their callback has continued (E)',
      'Headers of a paused request are at hand in later callbacks',
      'In on_log headers can be read and not changed',
      'Headers of a call-out cannot be changed',
      'Trailers can be made in the last body callback, and are sent; not in an earlier one',
      'num_headers counts every entry, pseudo headers too',
      'Changed request headers have the route looked up again (E)',
    ],
  },
  {
    title: 'Buffers and bodies',
    from: 53,
    statements: [
      'Reading a buffer is clipped at its end; starting beyond it is OK and empty',
      'Prepend, append and replace',
      'Nothing goes into the middle: BAD_ARGUMENT (E)',
      'Ids and phases without a buffer',
      'A paused body shows the sum; what it became goes on',
      'Paused headers: no body callback before they go on, all of it after',
      '`allow_on_headers_stop_iteration`: paused headers, body callbacks go on',
      'A body with trailers has no body callback with end_of_stream 1',
      'Without a body: end_of_stream 1 with the headers and no body callback',
      'A held body over the limit: 413 for a request, 500 for a response',
      'The status of a buffer is its length and flags 0',
    ],
  },
  {
    title: 'Actions',
    from: 64,
    statements: [
      'Wider answers of callbacks: headers 5 and more, body 4 and more, trailers 2 and more',
      'A local response overrides a returned Continue',
      'The plugin sees its own local response in on_response_headers',
      'Extra headers of a local response: duplicates stay, names in lower case',
      'A gRPC status of -1 is none',
      'A local response on a root is OK and does nothing (E)',
      'continue_stream(3) is UNIMPLEMENTED; type 4 is BAD_ARGUMENT',
      'close_stream(0) resets the stream after the callback',
      'TCP: a pause keeps the bytes, the next callback has the sum, continue_stream(2) goes on',
    ],
  },
  {
    title: 'Call-outs',
    from: 73,
    statements: [
      'Unknown cluster, missing pseudo headers, negative timeout: BAD_ARGUMENT',
      'Tokens are not 0 and distinct; the answer comes to the root, never inside the call',
      'The answer: :status counted, body and trailers readable, gone afterwards',
      'A timeout is a response 504; a reset half-way is (0, 0, 0) with status 11 "reset" (E)',
      'The answer reaches the root although the stream is gone',
      'A root that ends calls off what is under way',
      'Unary gRPC: unknown cluster PARSE_FAILURE; one receive, or one close with its message',
      'gRPC streams: the order of callbacks; wrong and unknown tokens',
    ],
  },
  {
    title: 'Shared state',
    from: 81,
    statements: [
      'Shared data is seen by VMs of the same vm_id and by no others',
      'Compare and set: current cas OK, stale CAS_MISMATCH, any on an absent key OK',
      'An empty value is OK, with a cas that is not 0',
      'Registering a queue twice keeps it; resolving finds own and others',
      'Empty is 7, unknown is 1; queue_ready once per item, later, to the last registrant',
      'A tick set by a stream comes to the root; 0 stops it; never inside the call that set it',
    ],
  },
  {
    title: 'Metrics, logs, time, foreign functions',
    from: 87,
    statements: [
      'What each type of metric takes, and what it refuses',
      'A name defined twice: two ids, one statistic `wasmcustom.<name>`',
      'Log level 6 is BAD_ARGUMENT; bytes that are no UTF-8 do no harm',
      'fd_write: 1 is info, 2 error, 3 EBADF; vectors make one line without its newline',
      'Clocks 0 and 1 only; random_get up to 65536 bytes',
      'Environment as configured, no arguments, poll_oneoff at once with no event',
      'An unknown foreign function is NOT_FOUND; compress round trip; null results',
    ],
  },
  {
    title: 'Properties',
    from: 94,
    statements: [
      'A trailing NUL adds nothing; empty path 3; unknown root and descending into a scalar 1',
      'Encodings of every type',
      'What is set can be read by the stream’s other plugins; NOT_FOUND on a root; a whole object 3',
      'request.path in on_request_headers and in on_log',
      'The names that Envoy 1.33 dropped are answered',
    ],
  },
  {
    title: 'Configuration and failure',
    from: 99,
    statements: [
      'Struct configuration as JSON, strings and bytes unwrapped, anything else raw',
      'One VM per thread for equal vm_id, configuration and code; any difference another',
      'A variable given twice is refused; one the process does not have is left out',
      'Restricted: host call 10, WASI 76, callback not called',
      'A trap costs its stream 503; nothing of the VM is called ever after; other VMs serve on',
      'fail_open: after a trap requests pass without the plugin',
      'FAIL_RELOAD: back-off, reload and their counters',
      'fail_open together with a failure_policy is refused',
      'Local code that is no plugin is refused',
      '`wasm.<runtime>.created` and `.active` follow the VMs',
      'An unknown effective context is BAD_ARGUMENT; a known one ends with the callback',
      'Stack overflow and `unreachable` are both traps',
    ],
  },
];

/** Every statement with its number, in order. */
export const STATEMENTS: readonly { readonly number: number; readonly text: string }[] = CHAPTERS.flatMap(
  ({ from, statements }) => statements.map((text, index) => ({ number: from + index, text })),
);
