// One connection to a Redis for queries of one VM: authenticated and on its database before the first of them is sent,
// then pipelined. Whatever goes wrong with it fails all that wait; the next query connects again.

import { Status } from '@dragoman/abi';
import type { Clock } from '@dragoman/base';
import type { AsyncClient, ResetReason, TcpClient, TcpClientHandler } from '@dragoman/proxy';
import type { Callout } from '@dragoman/vm';
import { encodeCommand } from './redis-command.ts';
import { RespReader } from './resp-reader.ts';

/** Most queries that wait for replies. */
const MAX_PENDING = 1024;
/** Longest reply. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;
/** A connection without queries is closed after this time: also the one of a VM that is gone. */
const IDLE_MS = 60_000;

export type OnReply = (reply: Buffer | null) => void;

/** Where a connection leads, and as whom. */
export interface RedisAccess {
  readonly cluster: string;
  readonly username: string;
  readonly password: string;
  readonly database: number;
}

interface Query {
  readonly bytes: Buffer;
  readonly deadlineMs: number;
  /** Null: called off. */
  onReply: OnReply | null;
}

export class RedisConnection implements TcpClientHandler {
  readonly #access: RedisAccess;
  readonly #client: AsyncClient;
  readonly #clock: Clock;
  readonly #log: (fact: string) => void;
  #tcp: TcpClient | null = null;
  #reader = new RespReader(MAX_REPLY_BYTES);
  /** Names of the commands at the start that are not answered yet. */
  #greeting: string[] = [];
  #ready = false;
  /** Sent, once it is ready; oldest first. */
  #pending: Query[] = [];
  #lastUseMs = 0;
  #wakeMs = Number.POSITIVE_INFINITY;
  #cancelWake: (() => void) | null = null;

  constructor(access: RedisAccess, client: AsyncClient, clock: Clock, log: (fact: string) => void) {
    this.#access = access;
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  get open(): boolean {
    return this.#tcp !== null;
  }

  /** `onReply` is called once, later, unless the query is called off. A `timeoutMs` of 0 waits for ever. */
  send(bytes: Buffer, timeoutMs: number, onReply: OnReply): Callout | Status {
    if (this.#pending.length >= MAX_PENDING) return Status.InternalFailure;
    this.#tcp ??= this.#client.openConnection(this.#access.cluster, this);
    if (this.#tcp === null) return Status.InternalFailure;
    this.#lastUseMs = this.#clock.nowMs();
    const deadlineMs = timeoutMs > 0 ? this.#lastUseMs + timeoutMs : Number.POSITIVE_INFINITY;
    const query: Query = { bytes, deadlineMs, onReply };
    this.#pending.push(query);
    if (this.#ready) this.#tcp.write(bytes);
    this.#wakeAt(Math.min(deadlineMs, this.#lastUseMs + IDLE_MS));
    return { cancel: () => void (query.onReply = null) };
  }

  // --- TcpClientHandler ---

  onTcpConnected(): void {
    const { username, password, database } = this.#access;
    if (password !== '') this.#greet('AUTH', ...(username === '' ? [password] : [username, password]));
    if (database !== 0) this.#greet('SELECT', String(database));
    if (this.#greeting.length === 0) this.#begin();
  }

  onTcpConnectFailed(_reason: ResetReason, transportFailure: string): void {
    this.#fail(`cannot connect ${transportFailure}`);
  }

  onTcpData(bytes: Buffer): void {
    const reader = this.#reader;
    for (const value of reader.push(bytes)) {
      // A failure on the way has begun everything anew.
      if (reader !== this.#reader) return;
      if (this.#greeting.length > 0) this.#onGreeted(value);
      else if (this.#pending.length === 0 || !this.#ready) this.#fail('a reply nobody asked for');
      else this.#pending.shift()!.onReply?.(value);
    }
    if (reader === this.#reader && reader.fault !== '') this.#fail(reader.fault);
  }

  onTcpEnd(): void {
    this.#fail('closed by the server');
  }

  onTcpClosed(): void {
    this.#fail('connection lost');
  }

  onTcpWritable(): void {}

  // --- the start of a connection ---

  #greet(...command: string[]): void {
    this.#greeting.push(command[0]);
    this.#tcp!.write(encodeCommand(...command));
  }

  /** A query must not reach another user's data, or another database. */
  #onGreeted(reply: Buffer): void {
    const command = this.#greeting.shift()!;
    if (reply.latin1Slice() !== '+OK\r\n')
      this.#fail(`${command} answered ${JSON.stringify(reply.subarray(0, 120).latin1Slice().trim())}`);
    else if (this.#greeting.length === 0) this.#begin();
  }

  #begin(): void {
    this.#ready = true;
    this.#pending = this.#pending.filter(({ onReply }) => onReply !== null);
    if (this.#pending.length > 0) this.#tcp!.write(Buffer.concat(this.#pending.map(({ bytes }) => bytes)));
  }

  // --- time ---

  #wakeAt(ms: number): void {
    if (ms >= this.#wakeMs) return;
    this.#cancelWake?.();
    this.#wakeMs = ms;
    this.#cancelWake = this.#clock.after(Math.max(0, ms - this.#clock.nowMs()), this.#onWake);
  }

  readonly #onWake = (): void => {
    this.#wakeMs = Number.POSITIVE_INFINITY;
    this.#cancelWake = null;
    const nowMs = this.#clock.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { deadlineMs } of this.#pending) nextMs = Math.min(nextMs, deadlineMs);
    if (nextMs <= nowMs) this.#fail('no reply in time');
    else if (this.#pending.length > 0) this.#wakeAt(Math.min(nextMs, nowMs + IDLE_MS));
    else if (this.#lastUseMs + IDLE_MS <= nowMs) this.#close();
    else this.#wakeAt(this.#lastUseMs + IDLE_MS);
  };

  // --- the end ---

  #fail(fact: string): void {
    const lost = this.#pending;
    this.#close();
    if (lost.length > 0) this.#log(`redis ${this.#access.cluster}: ${fact}; ${lost.length} queries fail`);
    for (const { onReply } of lost) onReply?.(null);
  }

  #close(): void {
    this.#tcp?.close();
    this.#tcp = null;
    this.#reader = new RespReader(MAX_REPLY_BYTES);
    this.#greeting = [];
    this.#ready = false;
    this.#pending = [];
    this.#cancelWake?.();
    this.#cancelWake = null;
    this.#wakeMs = Number.POSITIVE_INFINITY;
  }
}
