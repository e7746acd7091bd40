// dragoman-gateway: starts the application. Apart from it only what makes the gateway a gateway.

import { runApplication } from './application.ts';
import { embeddedDefault } from './demo/embedded-default.ts';

await runApplication({ name: 'dragoman-gateway', withoutConfiguration: embeddedDefault });
