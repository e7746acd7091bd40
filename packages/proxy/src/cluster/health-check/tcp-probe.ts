// TCP health checks: a connection is made, bytes are sent if configured, and the expected ones must come back.

import type { Socket } from 'node:net';
import type { HealthCheck_TcpHealthCheck as TcpConfig } from '@dragoman/config';
import { containsInOrder, payloadBytes } from './payload.ts';
import { type Probe, ProbeOutcome, type ProbeTarget } from './probe.ts';

/** Bytes kept while looking for the expected ones. */
const MAX_ANSWER_BYTES = 64 * 1024;

export class TcpProbe implements Probe {
  readonly #target: ProbeTarget;
  readonly #send: Buffer;
  readonly #receive: readonly Buffer[];
  #socket: Socket | null = null;

  constructor(config: TcpConfig, target: ProbeTarget) {
    this.#target = target;
    this.#send = payloadBytes(config.send);
    this.#receive = config.receive.map(payloadBytes);
  }

  start(onOutcome: (outcome: ProbeOutcome) => void): void {
    const socket = this.#target.connect();
    this.#socket = socket;
    let answer = Buffer.alloc(0);
    const end = (outcome: ProbeOutcome) => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      socket.destroy();
      onOutcome(outcome);
    };
    socket.on('error', () => end(ProbeOutcome.NETWORK_FAILURE));
    socket.on('close', () => end(ProbeOutcome.NETWORK_FAILURE));
    socket.on('connect', () => {
      if (this.#send.length > 0) socket.write(this.#send);
      if (this.#receive.length === 0) end(ProbeOutcome.SUCCESS);
    });
    socket.on('data', bytes => {
      answer = Buffer.concat([answer, bytes as Buffer]);
      if (containsInOrder(answer, this.#receive)) end(ProbeOutcome.SUCCESS);
      else if (answer.length > MAX_ANSWER_BYTES) end(ProbeOutcome.NETWORK_FAILURE);
    });
  }

  cancel(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.destroy();
  }

  close(): void {
    this.cancel();
  }
}
