// The router filter's own configuration in the form the hot path reads.

import type { Router } from '@dragoman/config';

export class RouterSettings {
  readonly suppressEnvoyHeaders: boolean;
  readonly respectExpectedRqTimeout: boolean;
  readonly strictCheckHeaders: readonly string[];

  constructor(config: Router) {
    this.suppressEnvoyHeaders = config.suppressEnvoyHeaders;
    this.respectExpectedRqTimeout = config.respectExpectedRqTimeout;
    this.strictCheckHeaders = config.strictCheckHeaders.map(name => name.toLowerCase());
  }
}
