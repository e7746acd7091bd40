// gRPC status codes: their names for %GRPC_STATUS%, and what HTTP statuses they stand for and come from.

/** The codes by name, as far as the proxy itself gives them. */
export const GrpcStatus = {
  /** What a peer said is no status. */
  InvalidCode: -1,
  Ok: 0,
  Unknown: 2,
  ResourceExhausted: 8,
  Internal: 13,
  Unavailable: 14,
} as const;

const NAMES: readonly (readonly [string, string])[] = [
  ['OK', 'OK'],
  ['Canceled', 'CANCELLED'],
  ['Unknown', 'UNKNOWN'],
  ['InvalidArgument', 'INVALID_ARGUMENT'],
  ['DeadlineExceeded', 'DEADLINE_EXCEEDED'],
  ['NotFound', 'NOT_FOUND'],
  ['AlreadyExists', 'ALREADY_EXISTS'],
  ['PermissionDenied', 'PERMISSION_DENIED'],
  ['ResourceExhausted', 'RESOURCE_EXHAUSTED'],
  ['FailedPrecondition', 'FAILED_PRECONDITION'],
  ['Aborted', 'ABORTED'],
  ['OutOfRange', 'OUT_OF_RANGE'],
  ['Unimplemented', 'UNIMPLEMENTED'],
  ['Internal', 'INTERNAL'],
  ['Unavailable', 'UNAVAILABLE'],
  ['DataLoss', 'DATA_LOSS'],
  ['Unauthenticated', 'UNAUTHENTICATED'],
];

/** "DeadlineExceeded"; a number that has no name stays a number. */
export function grpcStatusCamelName(status: number): string {
  return NAMES[status]?.[0] ?? String(status);
}

/** "DEADLINE_EXCEEDED"; a number that has no name stays a number. */
export function grpcStatusSnakeName(status: number): string {
  return NAMES[status]?.[1] ?? String(status);
}

/** Number of "DEADLINE_EXCEEDED" (or of a configuration's "CANCELED"); -1 when there is none of that name. */
export function grpcStatusByName(snakeName: string): number {
  const name = snakeName === 'CANCELED' ? 'CANCELLED' : snakeName;
  return NAMES.findIndex(names => names[1] === name);
}

/** The gRPC status a plain HTTP answer stands for (gRPC: http-grpc-status-mapping.md). */
export function grpcStatusOfHttp(httpStatus: number): number {
  switch (httpStatus) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

const HTTP_STATUSES = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401];

/** The HTTP status that expresses a gRPC status; 500 for unknown numbers. */
export function httpStatusOfGrpc(grpcStatus: number): number {
  return HTTP_STATUSES[grpcStatus] ?? 500;
}
