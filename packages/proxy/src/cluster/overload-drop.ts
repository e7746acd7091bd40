// drop_overloads of an endpoint assignment: a share of the requests that is refused before a host is chosen, because
// the management server says the cluster has too much to do.

import type { ClusterLoadAssignment_Policy as AssignmentPolicy } from '@dragoman/config';

const DENOMINATORS: Readonly<Record<string, number>> = {
  HUNDRED: 100,
  TEN_THOUSAND: 10_000,
  MILLION: 1_000_000,
};

/** The chance, 0 to 1, that a request is dropped; Envoy takes one category. */
export function dropChance(policy: AssignmentPolicy | undefined): number {
  const share = policy?.dropOverloads?.[0]?.dropPercentage;
  if (share === undefined) return 0;
  return Math.min(1, share.numerator / (DENOMINATORS[share.denominator] ?? 100));
}
