// What a response says to an upgrade ("websocket", ...) or a CONNECT that was allowed; '' is any other request.

/** All that follows are bytes that are no HTTP. */
export function opensTunnel(upgrade: string, status: number): boolean {
  if (upgrade === '') return false;
  return upgrade === 'connect' ? status >= 200 && status < 300 : status === 101;
}

/** Neither yes nor an error: Envoy gives the client the status, and nothing else of the answer. */
export function evadesHandshake(upgrade: string, status: number): boolean {
  return upgrade === 'websocket' && status !== 101 && status < 400;
}
