// What a failed upstream request looks like to the client and in the log: status, body, details, flag, in Envoy's words.

import { ResponseFlag } from '../format/response-flags.ts';
import { ResetReason } from '../upstream/upstream-stream.ts';

export function failureStatus(reason: ResetReason): number {
  return reason === ResetReason.ProtocolError ? 502 : 503;
}

export function failureBody(reason: ResetReason, retried: boolean): string {
  const which = retried ? 'retried and the latest reset reason' : 'reset reason';
  return `upstream connect error or disconnect/reset before headers. ${which}: ${reason}`;
}

/** "upstream_reset_before_response_started{connection_termination}", with the transport's words behind a bar. */
export function failureDetails(
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

/** Tells the client not to try again at once. */
export const OVERLOADED: readonly [string, string][] = [['x-envoy-overloaded', 'true']];
