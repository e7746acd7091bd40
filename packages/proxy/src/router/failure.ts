// What a failed upstream request looks like to the client and in the log: status, body, details, flag, in Envoy's words.

import { ResponseFlag } from '../format/response-flags.ts';
import { ResetReason } from '../upstream/upstream-stream.ts';

export interface Failure {
  /** Response flag; 0 = none. */
  readonly flag: number;
  readonly status: number;
  readonly body: string;
  readonly details: string;
  readonly headers: readonly [string, string][] | null;
}

function fixed(flag: number, body: string, details: string, header = ''): Failure {
  return { flag, status: 503, body, details, headers: header === '' ? null : [[header, 'true']] };
}

export const NO_HEALTHY_HOST: Failure = fixed(
  ResponseFlag.NoHealthyUpstream,
  'no healthy upstream',
  'no_healthy_upstream',
);

/** Requests that drop_overloads takes out, some of them or all. */
export const DROP: Failure = fixed(
  ResponseFlag.DropOverload,
  'drop overload',
  'drop_overload',
  'x-envoy-drop-overload',
);
export const DROP_ALL: Failure = fixed(
  ResponseFlag.UnconditionalDropOverload,
  'unconditional drop overload',
  'unconditional_drop_overload',
  'x-envoy-unconditional-drop-overload',
);

/** Tells the client not to try again at once. */
const OVERLOADED: Failure['headers'] = [['x-envoy-overloaded', 'true']];

/** An upgrade that the upstream has answered with something else. */
export function handshakeFailure(status: number): Failure {
  return { flag: 0, status, body: '', details: 'websocket_handshake_unsuccessful', headers: null };
}

/** `alternative`: the client wants 204 instead of 504. */
export function timeoutFailure(details: string, alternative: boolean): Failure {
  const [status, body] = alternative ? [204, ''] : [504, 'upstream request timeout'];
  return { flag: ResponseFlag.UpstreamRequestTimeout, status, body, details, headers: null };
}

export function resetFailure(reason: ResetReason, transportFailure: string, retried: boolean): Failure {
  const which = retried ? 'retried and the latest reset reason' : 'reset reason';
  return {
    flag: FLAGS[reason],
    status: reason === ResetReason.ProtocolError ? 502 : 503,
    body: `upstream connect error or disconnect/reset before headers. ${which}: ${reason}`,
    details: resetDetails('before', reason, transportFailure),
    headers: reason === ResetReason.Overflow ? OVERLOADED : null,
  };
}

/** "upstream_reset_before_response_started{connection_termination}", with the transport's words behind a bar. */
export function resetDetails(
  when: 'before' | 'after',
  reason: ResetReason,
  transportFailure: string,
): string {
  const words = transportFailure === '' ? reason : `${reason}|${transportFailure}`;
  return `upstream_reset_${when}_response_started{${words.replaceAll(' ', '_')}}`;
}

const FLAGS: Readonly<Record<ResetReason, number>> = {
  [ResetReason.RemoteConnectionFailure]: ResponseFlag.UpstreamConnectionFailure,
  [ResetReason.LocalConnectionFailure]: ResponseFlag.UpstreamConnectionFailure,
  [ResetReason.ConnectionTimeout]: ResponseFlag.UpstreamConnectionFailure,
  [ResetReason.ConnectionTermination]: ResponseFlag.UpstreamConnectionTermination,
  [ResetReason.LocalReset]: ResponseFlag.LocalReset,
  [ResetReason.LocalRefusedStream]: ResponseFlag.LocalReset,
  [ResetReason.Overflow]: ResponseFlag.UpstreamOverflow,
  [ResetReason.RemoteReset]: ResponseFlag.UpstreamRemoteReset,
  [ResetReason.RemoteRefusedStream]: ResponseFlag.UpstreamRemoteReset,
  [ResetReason.ProtocolError]: ResponseFlag.UpstreamProtocolError,
};

export function failureFlag(reason: ResetReason): number {
  return FLAGS[reason];
}

/** There was no connection at all. */
export function isConnectFailure(reason: ResetReason): boolean {
  return (
    reason === ResetReason.RemoteConnectionFailure ||
    reason === ResetReason.LocalConnectionFailure ||
    reason === ResetReason.ConnectionTimeout
  );
}
