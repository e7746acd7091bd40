// envoy_resolve_dns, which Envoy has beyond the ABI: the addresses of a name, told to the root in envoy_on_resolve_dns
// (ABI reference 7.9).

import { Status } from '@dragoman/abi';
import type { Vm } from '../vm.ts';
import type { DnsRecord } from '../vm-host.ts';
import { CalloutKind, CalloutTokens } from './callout-tokens.ts';
import type { HostFunctions } from './host-function.ts';

/** Longest name there can be (RFC 1035 section 2.3.4, as text). */
const MAX_NAME_BYTES = 253;

export const dnsCalls = (vm: Vm): HostFunctions => {
  const tokens = new CalloutTokens(CalloutKind.Dns);
  return {
    envoy_resolve_dns: (name: number, nameSize: number, result: number) =>
      resolveDns(vm, tokens, name >>> 0, nameSize >>> 0, result >>> 0),
  };
};

function resolveDns(vm: Vm, tokens: CalloutTokens, name: number, nameSize: number, result: number): Status {
  const { memory } = vm;
  if (!memory.fits(name, nameSize) || !memory.fits(result, 4)) return Status.InvalidMemoryAccess;
  const { root } = vm.effective;
  if (root === null) return Status.InternalFailure;
  if (vm.host.resolveDns === undefined) return Status.Unimplemented;
  if (nameSize === 0 || nameSize > MAX_NAME_BYTES) return Status.BadArgument;
  const token = tokens.next();
  const asked = vm.host.resolveDns(memory.latin1(name, nameSize), records =>
    root.onDnsResolved(token, encodeRecords(records)),
  );
  if (typeof asked === 'number') return asked;
  root.addCallout(token, asked);
  memory.setUint32(result, token);
  return Status.Ok;
}

/**
 * u32 count, that many u32 times to live in seconds, that many addresses, each with the port 0 and a NUL behind it, as
 * Envoy writes them ("10.0.0.1:0", "[::1]:0"). Nothing after a failure.
 */
function encodeRecords(records: readonly DnsRecord[] | null): Buffer {
  if (records === null) return Buffer.alloc(0);
  const head = Buffer.alloc(4 + 4 * records.length);
  head.writeUInt32LE(records.length);
  for (let i = 0; i < records.length; i++) head.writeUInt32LE(records[i].ttlSeconds, 4 + 4 * i);
  return Buffer.concat([head, ...records.map(({ address }) => addressText(address))]);
}

const addressText = (address: string): Buffer =>
  Buffer.from(address.includes(':') ? `[${address}]:0\0` : `${address}:0\0`, 'latin1');
