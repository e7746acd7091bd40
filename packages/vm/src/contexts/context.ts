// What the contexts of a guest have in common: an id, the root they belong to, the stream they are of.
// Host calls act on a context without asking what kind it is: what a kind lacks is null.

import type { Vm } from '../vm.ts';
import type { RootContext } from './root-context.ts';
import type { StreamContext } from './stream-context.ts';

/** A context: id 0 is the VM's own, never announced to the guest; it is in force while the guest starts or allocates. */
export class Context {
  readonly vm: Vm;
  id: number;
  /** Root of this context: itself for a root, null for the VM's own. */
  root: RootContext | null = null;
  /** Itself for a stream context. */
  stream: StreamContext | null = null;

  constructor(vm: Vm, id: number) {
    this.vm = vm;
    this.id = id;
  }

  /** "plugin root vm", what log lines name; parts that are empty are left out. */
  get logName(): string {
    return '';
  }
}
