// dragoman-sidecar: the same application without an embedded default, because a sidecar always stands beside something.

import { runApplication } from '@dragoman/gateway';

await runApplication({ name: 'dragoman-sidecar', withoutConfiguration: null });
