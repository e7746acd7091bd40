// The table of all statistics. Lanes are taken in before the configuration is read, so what stats_matcher hides is
// decided later than the table is made.

import { StatTable } from '@dragoman/shm';

export class VisibleStats extends StatTable {
  #accepts: ((name: string) => boolean) | null = null;

  constructor() {
    super({ accepts: name => this.#accepts === null || this.#accepts(name) });
  }

  /** Names that are to be seen; null for all. To be said before anybody reads the table. */
  accept(accepts: ((name: string) => boolean) | null): void {
    this.#accepts = accepts;
  }
}
