// A small HTTP service for the example configurations, on the port they expect:
//   node examples/upstream.mjs [port]          (default 10080)
// /auth hands out a token in the `authorization` response header, /delay/N waits N seconds, /status/N answers
// with that status, and every other path shows the request as it arrived.
import http from 'node:http';

const port = Number(process.argv[2] ?? 10080);
let tokens = 0;

function answer(request, response) {
  const [, first, second] = request.url.split('?')[0].split('/');
  if (first === 'auth') response.setHeader('authorization', `Bearer token-${++tokens}`);
  if (first === 'status' && /^[2-5]\d\d$/.test(second)) response.statusCode = Number(second);
  const seen = { method: request.method, path: request.url, headers: request.headers };
  const reply = () => {
    response.setHeader('content-type', 'application/json');
    response.end(`${JSON.stringify(seen, null, 2)}\n`);
  };
  if (first === 'delay') setTimeout(reply, Math.min(Number(second) || 0, 60) * 1000);
  else reply();
}

http.createServer(answer).listen(port, '127.0.0.1', () => {
  console.log(`listening on 127.0.0.1:${port}`);
});
