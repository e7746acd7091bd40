// The probe that a cluster's health check asks for, and the place it goes to.

import { connect, type Socket } from 'node:net';
import { DragomanError } from '@dragoman/base';
import type { HealthCheck as HealthCheckConfig } from '@dragoman/config';
import type { DirectoryCluster, DirectoryContext } from '../directory-cluster.ts';
import type { DirectoryHost } from '../directory-host.ts';
import { addressText } from '../host-spec.ts';
import { compileHttpCheck, HttpProbe } from './http-probe.ts';
import { grpcQuestion, Http2Probe, http2Question } from './http2-probe.ts';
import type { Probe, ProbeTarget } from './probe.ts';
import { TcpProbe } from './tcp-probe.ts';

/** Plain TCP, or a Unix socket. */
export function plainConnect(address: string, port: number, pipePath: string): Socket {
  return pipePath === '' ? connect({ host: address, port, noDelay: true }) : connect({ path: pipePath });
}

function targetOf(
  config: HealthCheckConfig,
  cluster: DirectoryCluster,
  host: DirectoryHost,
  context: DirectoryContext,
): ProbeTarget {
  const own = host.endpoint.healthCheck;
  const port = own?.port || config.altPort || host.endpoint.port;
  const address = () => own?.address || host.address;
  const dial = context.dial ?? ((_, to, at, path) => plainConnect(to, at, path));
  return {
    text: addressText(address(), port, host.endpoint.pipePath),
    authority: own?.hostname || cluster.name,
    connect: () => dial(cluster, address(), port, host.endpoint.pipePath),
  };
}

/** Fails with ERR_DRAGOMAN_HEALTH_CHECK_UNSUPPORTED for a check that validation should have refused. */
export function createProbe(
  config: HealthCheckConfig,
  cluster: DirectoryCluster,
  host: DirectoryHost,
  context: DirectoryContext,
): Probe {
  const target = targetOf(config, cluster, host, context);
  const reuse = config.reuseConnection ?? true;
  if (config.httpHealthCheck !== undefined) {
    const check = compileHttpCheck(config.httpHealthCheck, target);
    return config.httpHealthCheck.codecClientType === 'HTTP2'
      ? new Http2Probe(http2Question(check), target, reuse)
      : new HttpProbe(check, target, reuse);
  }
  if (config.tcpHealthCheck !== undefined) return new TcpProbe(config.tcpHealthCheck, target);
  if (config.grpcHealthCheck !== undefined)
    return new Http2Probe(grpcQuestion(config.grpcHealthCheck, target), target, reuse);
  throw new DragomanError(
    'HEALTH_CHECK_UNSUPPORTED',
    `cluster ${cluster.name}: a custom health check is not supported`,
  );
}
