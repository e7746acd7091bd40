// A worker whose asynchronous client a test uses directly. Imported from tests only.

import type { HttpFilterType } from '../filter-chain/filter.ts';
import type { AsyncClient } from '../upstream/async-client.ts';
import { HTTP2_CLUSTER, TYPES } from './proxy-fixture.ts';
import { WorkerFixture } from './worker-fixture.ts';

const FAULT = `${TYPES}.filters.http.fault.v3.HTTPFault`;

export interface ClientFixture {
  readonly client: AsyncClient;
  readonly worker: WorkerFixture;
}

/** A client that reaches the cluster "service" on that port, over HTTP/2 unless `http1` is said. */
export async function startClient(port: number, { http1 = false } = {}): Promise<ClientFixture> {
  let client: AsyncClient | null = null;
  const type: HttpFilterType = {
    name: 'capture',
    configTypes: ['envoy.extensions.filters.http.fault.v3.HTTPFault'],
    create: (_config, context) => {
      client = context.asyncClient;
      return { createFilter: () => null };
    },
  };
  const worker = await WorkerFixture.start({
    clusters: { service: port },
    filterTypes: [type],
    filters: [{ name: 'capture', typed_config: { '@type': FAULT } }],
    ...(!http1 && { cluster: HTTP2_CLUSTER }),
  });
  return { client: client as unknown as AsyncClient, worker };
}
