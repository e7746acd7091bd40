// The router filter's own configuration in the form the hot path reads.

import type { Router } from '@dragoman/config';

export class RouterSettings {
  readonly suppressEnvoyHeaders: boolean;
  readonly respectExpectedRqTimeout: boolean;

  constructor(config: Router) {
    this.suppressEnvoyHeaders = config.suppressEnvoyHeaders;
    this.respectExpectedRqTimeout = config.respectExpectedRqTimeout;
  }
}
