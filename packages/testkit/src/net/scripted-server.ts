// An upstream that does on each connection what a test's script says, byte for byte.

import { type AddressInfo, createServer, type Server } from 'node:net';
import { RawConnection } from './raw-connection.ts';

/** What happens on one connection; `number` counts connections from 0. */
export type ConnectionScript = (connection: RawConnection, number: number) => void | Promise<void>;

export class ScriptedServer {
  readonly #server: Server;
  readonly #connections: RawConnection[] = [];
  /** What scripts threw: a test that expects none checks that it is empty. */
  readonly failures: Error[] = [];

  private constructor(script: ConnectionScript) {
    this.#server = createServer({ allowHalfOpen: true }, socket => {
      const connection = new RawConnection(socket);
      const number = this.#connections.push(connection) - 1;
      Promise.resolve(script(connection, number)).catch((error: Error) => this.failures.push(error));
    });
  }

  /** Listens on a free port of the loopback address. */
  static async listen(script: ConnectionScript): Promise<ScriptedServer> {
    const scripted = new ScriptedServer(script);
    await new Promise<void>(resolve => scripted.#server.listen(0, '127.0.0.1', resolve));
    return scripted;
  }

  /** Answers every request on every connection with the same bytes. */
  static answering(response: string): Promise<ScriptedServer> {
    return ScriptedServer.listen(async connection => {
      while (connection.isOpen) {
        try {
          await connection.readMessage();
        } catch {
          return;
        }
        connection.send(response);
      }
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections accepted so far. */
  get connectionCount(): number {
    return this.#connections.length;
  }

  /** Stops listening and drops all connections. */
  close(): Promise<void> {
    for (const connection of this.#connections) connection.close();
    return new Promise(resolve => this.#server.close(() => resolve()));
  }
}
