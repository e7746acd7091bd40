import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorsOf, load, type Parts, warningsOf } from '../../fixtures/sample.ts';

const addressOf = (cluster: {
  load_assignment: {
    endpoints: { lb_endpoints: { endpoint: { address: { socket_address: { address: string } } } }[] }[];
  };
}) => cluster.load_assignment.endpoints[0]!.lb_endpoints[0]!.endpoint.address.socket_address;

test('a host name in a STATIC cluster is resolved as DNS, with a warning', () => {
  const change = ({ cluster }: Parts) => {
    addressOf(cluster).address = 'httpbin.test';
  };
  assert.equal(load(change).bootstrap!.staticResources!.clusters[0]!.type, 'STRICT_DNS');
  assert.match(
    warningsOf(change)[0]!,
    /'httpbin\.test' is a host name in a STATIC cluster; resolved as with type 'STRICT_DNS'/,
  );
  assert.equal(load(() => {}).bootstrap!.staticResources!.clusters[0]!.type, 'STATIC');
});

test('an absent type is STATIC', () => {
  const { bootstrap } = load(({ cluster }) => {
    delete cluster.type;
    addressOf(cluster).address = 'x.test';
  });
  assert.equal(bootstrap!.staticResources!.clusters[0]!.type, 'STRICT_DNS');
});

test('cluster names are unique', () => {
  assert.deepEqual(
    errorsOf(({ cluster }, whole) => {
      whole.static_resources.clusters.push(cluster);
    }),
    ["static_resources.clusters[1].name: cluster manager: duplicate cluster 'a'"],
  );
});

test('LOGICAL_DNS has one endpoint', () => {
  const errors = errorsOf(({ cluster }) => {
    cluster.type = 'LOGICAL_DNS';
    cluster.load_assignment.endpoints[0].lb_endpoints.push(
      cluster.load_assignment.endpoints[0].lb_endpoints[0],
    );
  });
  assert.match(errors[0]!, /LOGICAL_DNS clusters must have a single/);
});

test('the local cluster exists', () => {
  assert.deepEqual(
    errorsOf((_, whole) => {
      whole.cluster_manager = { local_cluster_name: 'b' };
    }),
    ["cluster_manager.local_cluster_name: local cluster 'b' must be defined"],
  );
  assert.deepEqual(
    errorsOf((_, whole) => {
      whole.cluster_manager = { local_cluster_name: 'a' };
    }),
    [],
  );
});
