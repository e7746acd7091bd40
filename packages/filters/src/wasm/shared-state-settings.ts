// How much plugins may keep in shared data and queues, and for how long: node.metadata.dragoman.wasm_shared_state, for all
// VM ids and, under `vm_ids`, for one of them. Pure.

import type { Node } from '@dragoman/config';
import type { NamespacePolicy } from '@dragoman/shm';
import {
  dragomanSection,
  type JsonObject,
  objectOf,
  type Report,
  refuseUnknown,
  wholeNumber,
} from './settings-section.ts';

export interface SharedStateSettings {
  /** For all VM ids together; a power of two. */
  readonly heapBytes: number;
  readonly policyOf: (vmId: string) => Required<NamespacePolicy>;
}

const DEFAULT_HEAP_MIB = 64;
const MAX_HEAP_MIB = 1024;
const DEFAULTS: Required<NamespacePolicy> = {
  limitBytes: 16 * 2 ** 20,
  eviction: 'none',
  ttlMs: 0,
  queueItemLimit: 65_536,
};
const MAX_KIB = MAX_HEAP_MIB * 1024;
/** Some twenty days: the store keeps it in 31 bits of milliseconds. */
const MAX_TTL_MS = 2 ** 31 - 1;
const MAX_QUEUE_ITEMS = 2 ** 24;
const POLICY_KEYS = ['budget_kib', 'eviction', 'ttl_ms', 'queue_items'];

/** Reads the settings; tells `report` what is wrong with them, and goes on without it. */
export function readSharedStateSettings(
  node: Node | undefined,
  report: Report = () => {},
): SharedStateSettings {
  const [section, path] = dragomanSection(node, 'wasm_shared_state', report);
  const { heap_mib, vm_ids, ...common } = section;
  refuseUnknown(common, [...POLICY_KEYS, 'heap_mib', 'vm_ids'], path, report);
  const forAll = { ...DEFAULTS, ...readPolicy(common, path, report) };
  const byId = new Map<string, NamespacePolicy>();
  for (const [vmId, value] of Object.entries(objectOf(vm_ids, `${path}.vm_ids`, report))) {
    const place = `${path}.vm_ids.${vmId}`;
    const policy = objectOf(value, place, report);
    refuseUnknown(policy, POLICY_KEYS, place, report);
    byId.set(vmId, readPolicy(policy, place, report));
  }
  return {
    heapBytes: readHeap(heap_mib, `${path}.heap_mib`, report) * 2 ** 20,
    policyOf: vmId => ({ ...forAll, ...byId.get(vmId) }),
  };
}

function readHeap(value: unknown, path: string, report: Report): number {
  const mebibytes = wholeNumber(value, [1, MAX_HEAP_MIB], path, report) ?? DEFAULT_HEAP_MIB;
  if (Number.isInteger(Math.log2(mebibytes))) return mebibytes;
  report(path, `expected a power of two, not ${mebibytes}`);
  return DEFAULT_HEAP_MIB;
}

function readPolicy(section: JsonObject, path: string, report: Report): NamespacePolicy {
  const budgetKib = wholeNumber(section.budget_kib, [1, MAX_KIB], `${path}.budget_kib`, report);
  const eviction = readEviction(section.eviction, `${path}.eviction`, report);
  const ttlMs = wholeNumber(section.ttl_ms, [0, MAX_TTL_MS], `${path}.ttl_ms`, report);
  const queueItemLimit = wholeNumber(
    section.queue_items,
    [1, MAX_QUEUE_ITEMS],
    `${path}.queue_items`,
    report,
  );
  return {
    ...(budgetKib !== undefined && { limitBytes: budgetKib * 1024 }),
    ...(eviction !== undefined && { eviction }),
    ...(ttlMs !== undefined && { ttlMs }),
    ...(queueItemLimit !== undefined && { queueItemLimit }),
  };
}

function readEviction(value: unknown, path: string, report: Report): NamespacePolicy['eviction'] {
  if (value === undefined || value === 'none' || value === 'lru') return value;
  report(path, 'expected none (refuse what does not fit) or lru (forget what was used longest ago)');
  return undefined;
}
