// Entry of @dragoman/middleware: plugins as parts of other people's servers and clients.
export { expressMiddleware } from './express-middleware.ts';
export { type FastifyPluginOptions, fastifyPlugin } from './fastify-plugin.ts';
export { requestListener } from './request-listener.ts';
export { type Dispatch, type DispatchHandler, undiciInterceptor } from './undici-interceptor.ts';
