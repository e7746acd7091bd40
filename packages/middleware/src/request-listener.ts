// A plugin before a request listener of node:http or node:https.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PluginRunner } from '@dragoman/vm';
import { type OnError, runThroughPlugin, warn } from './http-exchange.ts';

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

/**
 * The listener behind the plugin: it gets requests as the plugin leaves them, and what it answers passes the plugin. When
 * the plugin cannot be asked (its pool has been closed), the connection is cut and `onError` is told.
 */
export function requestListener(runner: PluginRunner, listener: Listener, onError: OnError = warn): Listener {
  return (request, response) => {
    runThroughPlugin(runner, request, response, onError).then(
      passed => {
        if (passed) listener(request, response);
      },
      (error: unknown) => {
        response.destroy();
        onError(error);
      },
    );
  };
}
