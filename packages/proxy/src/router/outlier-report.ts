// What outlier detection hears of an answer: the HTTP status, or for gRPC the status in it.

import { HeaderId, type ResponseHeaders } from '@dragoman/http';
import type { Host } from '../cluster/host.ts';

export function reportStatus(host: Host, headers: ResponseHeaders): void {
  if (host.outlier === null) return;
  const grpcStatus = headers.getId(HeaderId.GRPC_STATUS);
  host.outlier.putResponseCode(grpcStatus === undefined ? headers.status : httpStatusOfGrpc(grpcStatus));
}

/** Envoy: Grpc::Utility::grpcToHttpStatus. */
function httpStatusOfGrpc(grpcStatus: string): number {
  return GRPC_TO_HTTP[grpcStatus] ?? 500;
}

const GRPC_TO_HTTP: Readonly<Record<string, number>> = {
  ...{ 0: 200, 1: 499, 3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429 },
  ...{ 9: 400, 10: 409, 11: 400, 12: 501, 14: 503, 16: 401 },
};
