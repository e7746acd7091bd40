// A plugin as middleware of Express (and of Connect, and whatever else takes functions of this form).

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PluginRunner } from '@dragoman/vm';
import { runThroughPlugin } from './http-exchange.ts';

type Middleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

/** To be used before what reads bodies (`express.json()`): those then see what the plugin has let through. */
export function expressMiddleware(runner: PluginRunner): Middleware {
  return (request, response, next) => {
    runThroughPlugin(runner, request, response).then(passed => {
      if (passed) next();
    }, next);
  };
}
