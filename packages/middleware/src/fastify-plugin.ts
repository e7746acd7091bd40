// A plugin as a plugin of Fastify: a hook on every request of the instance it is registered with.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { PluginRunner } from '@dragoman/vm';
import { runThroughPlugin } from './http-exchange.ts';

export interface FastifyPluginOptions {
  readonly runner: PluginRunner;
}

/** The little of Fastify that is needed here. */
interface FastifyLike {
  addHook(name: 'onRequest', hook: (request: RequestLike, reply: ReplyLike) => Promise<unknown>): unknown;
}
interface RequestLike {
  readonly raw: IncomingMessage;
}
interface ReplyLike {
  readonly raw: ServerResponse;
  hijack(): unknown;
}

/** `await app.register(fastifyPlugin, { runner })`. Fastify has chosen the route before: a changed path does not move it. */
export const fastifyPlugin = Object.assign(
  async (app: FastifyLike, { runner }: FastifyPluginOptions): Promise<void> => {
    app.addHook('onRequest', async ({ raw }, reply) => {
      if (await runThroughPlugin(runner, raw, reply.raw)) return undefined;
      // It has been answered on the raw response.
      reply.hijack();
      return reply;
    });
  },
  {
    // For the whole instance, not only for what is registered inside of this plugin.
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: '@dragoman/middleware',
  },
);
