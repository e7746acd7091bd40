// `ssl.*` statistics of a listener or a cluster on one worker; ciphers and versions appear on first use.

import type { StatLane } from '@dragoman/shm';

export class SslStats {
  readonly lane: StatLane;
  readonly connectionError: number;
  readonly handshake: number;
  readonly sessionReused: number;
  readonly noCertificate: number;
  readonly failVerifyNoCert: number;
  readonly failVerifyError: number;
  readonly failVerifySan: number;
  readonly failVerifyCertHash: number;
  readonly #prefix: string;

  /** `prefix` is "listener.<address>." or "cluster.<name>.", with the trailing dot. */
  constructor(lane: StatLane, prefix: string) {
    this.lane = lane;
    this.#prefix = `${prefix}ssl.`;
    this.connectionError = lane.counter(`${this.#prefix}connection_error`);
    this.handshake = lane.counter(`${this.#prefix}handshake`);
    this.sessionReused = lane.counter(`${this.#prefix}session_reused`);
    this.noCertificate = lane.counter(`${this.#prefix}no_certificate`);
    this.failVerifyNoCert = lane.counter(`${this.#prefix}fail_verify_no_cert`);
    this.failVerifyError = lane.counter(`${this.#prefix}fail_verify_error`);
    this.failVerifySan = lane.counter(`${this.#prefix}fail_verify_san`);
    this.failVerifyCertHash = lane.counter(`${this.#prefix}fail_verify_cert_hash`);
    for (const name of ['failed', 'omitted', 'responses', 'requests'])
      lane.counter(`${this.#prefix}ocsp_staple_${name}`);
    lane.counter(`${this.#prefix}was_key_usage_invalid`);
  }

  /** A handshake has succeeded. */
  onHandshake(version: string, cipher: string, reused: boolean): void {
    const { lane } = this;
    lane.inc(this.handshake);
    if (reused) lane.inc(this.sessionReused);
    lane.inc(lane.counter(`${this.#prefix}versions.${version}`));
    lane.inc(lane.counter(`${this.#prefix}ciphers.${cipher}`));
  }
}
