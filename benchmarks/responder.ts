// A process that answers every HTTP/1.1 request on a port with one fixed response: the upstream where nginx is not
// installed. It reads no more of a request than the end of its head, so it is fit for requests without a body only.
//   node benchmarks/responder.ts PORT
import net from 'node:net';
import { responseBody } from './workload.ts';

const response = Buffer.from(
  `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${responseBody.length}\r\n\r\n${responseBody}`,
  'latin1',
);
const headEnd = Buffer.from('\r\n\r\n');

function answer(socket: net.Socket): void {
  /** The last three bytes of what came before, in which the end of a head may begin. */
  let tail = Buffer.alloc(0);
  socket.setNoDelay();
  socket.on('data', (bytes: Buffer) => {
    const text = tail.length === 0 ? bytes : Buffer.concat([tail, bytes]);
    let position = 0;
    for (let end = text.indexOf(headEnd); end >= 0; end = text.indexOf(headEnd, position)) {
      position = end + headEnd.length;
      socket.write(response);
    }
    tail = Buffer.from(text.subarray(Math.max(position, text.length - 3)));
  });
  socket.on('error', () => socket.destroy());
}

net.createServer(answer).listen(Number(process.argv[2]), '127.0.0.1');
