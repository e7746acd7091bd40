// The clusters of a scenario file: they answer call-outs with what is written there, in order, and remember who asked.

import { Status } from '@dragoman/abi';
import { type Callout, HeaderList, type HttpCall, type HttpCallResponse } from '@dragoman/vm';
import type { ClusterAnswer } from './scenario.ts';

export class ScriptedClusters {
  readonly #answers: ReadonlyMap<string, readonly ClusterAnswer[]>;
  readonly #given = new Map<string, number>();
  #calls: HttpCall[] = [];
  #pending = 0;

  constructor(answers: ReadonlyMap<string, readonly ClusterAnswer[]>) {
    this.#answers = answers;
  }

  /** Calls under way. */
  get pending(): number {
    return this.#pending;
  }

  /** Calls since the last time. */
  take(): HttpCall[] {
    const calls = this.#calls;
    this.#calls = [];
    return calls;
  }

  /** VmHost.httpCall. */
  readonly call = (call: HttpCall, onDone: (response: HttpCallResponse | null) => void): Callout | Status => {
    this.#calls.push(call);
    const answers = this.#answers.get(call.upstream);
    if (answers === undefined || answers.length === 0) return Status.BadArgument;
    const number = this.#given.get(call.upstream) ?? 0;
    this.#given.set(call.upstream, number + 1);
    const answer = answers[Math.min(number, answers.length - 1)]!;
    this.#pending++;
    let open = true;
    const settle = (): boolean => {
      if (!open) return false;
      open = false;
      this.#pending--;
      return true;
    };
    // Never inside the guest's call.
    setImmediate(() => {
      if (!settle()) return;
      if (answer === null) onDone(null);
      else
        onDone({ headers: HeaderList.from(answer.headers), body: Buffer.from(answer.body), trailers: null });
    });
    return { cancel: settle };
  };
}
