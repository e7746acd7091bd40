// Format operators on metadata (dynamic, cluster, host, route), filter state and the environment, and those
// that combine others.

import { randomUUID } from 'node:crypto';
import type { Metadata } from '@dragoman/config';
import {
  byteString,
  type FormatInput,
  type FormatValue,
  type OperatorDefinition,
  type ReadValue,
  valueText,
} from './format-input.ts';
import { structValue } from './struct-value.ts';

type MetadataOf = (input: FormatInput) => Readonly<Record<string, unknown>> | null | undefined;

const dynamic: MetadataOf = input => input.info.dynamicMetadata;
const ofCluster: MetadataOf = input =>
  (input.info.upstreamClusterMetadata as Metadata | null)?.filterMetadata;
const ofHost: MetadataOf = input => input.info.upstreamHost?.metadata?.filterMetadata;
const ofVirtualHost: MetadataOf = input => input.route?.virtualHost?.metadata?.filterMetadata;
const ofRoute: MetadataOf = input => input.route?.metadata?.filterMetadata;

/** Namespace and keys: "ns:a:b", or the older JSON list ["ns","a","b"]. */
function pathOf(operator: string, argument: string): string[] {
  if (!argument.startsWith('[')) return argument.split(':');
  const list: unknown = JSON.parse(argument);
  if (!Array.isArray(list) || !list.every(item => typeof item === 'string'))
    throw new Error(`Invalid header configuration. Expected format ${operator}(["namespace", "k", ...])`);
  return list;
}

function reader(metadataOf: MetadataOf, path: readonly string[]): ReadValue {
  return input => {
    let value: unknown = metadataOf(input);
    for (const key of path) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return null;
      value = (value as Record<string, unknown>)[key];
    }
    return structValue(value);
  };
}

function metadata(metadataOf: MetadataOf): OperatorDefinition {
  return {
    parameters: 'required',
    truncates: true,
    compile: ({ name, text }) => reader(metadataOf, pathOf(name, text ?? '')),
  };
}

const SOURCES: Readonly<Record<string, MetadataOf>> = {
  DYNAMIC: dynamic,
  CLUSTER: ofCluster,
  ROUTE: ofRoute,
  VIRTUAL_HOST: ofVirtualHost,
  UPSTREAM_HOST: ofHost,
};

const anyMetadata: OperatorDefinition = {
  parameters: 'required',
  truncates: true,
  compile({ text }): ReadValue {
    const [type, ...path] = (text ?? '').split(':');
    const source = SOURCES[type];
    if (source === undefined) throw new Error(`${type} is not supported type of metadata`);
    return reader(source, path);
  },
};

const filterState: OperatorDefinition = {
  parameters: 'required',
  truncates: true,
  compile({ text }): ReadValue {
    const [key, form = 'TYPED', field = ''] = (text ?? '').split(':');
    if (!['PLAIN', 'TYPED', 'FIELD'].includes(form))
      throw new Error(`Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.`);
    return ({ info }) => {
      const value = info.filterState?.get(key);
      if (value === undefined || value === null) return null;
      if (form === 'FIELD') return fieldOf(value, field);
      if (typeof value === 'string') return form === 'TYPED' ? JSON.stringify(value) : value;
      if (value instanceof Uint8Array) return form === 'PLAIN' ? byteText(value) : packedBytes(value);
      return form === 'PLAIN' ? valueText(value as FormatValue) : (value as FormatValue);
    };
  },
};

const byteText = (value: Uint8Array): string => Buffer.from(value).toString('latin1');

/** What a plugin has stored is bytes: as a typed value, a message packed into an Any. */
const packedBytes = (value: Uint8Array): FormatValue => ({
  '@type': 'type.googleapis.com/google.protobuf.BytesValue',
  value: Buffer.from(value).toString('base64'),
});

function fieldOf(value: unknown, field: string): FormatValue {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, field)) return null;
  return (value as Record<string, FormatValue>)[field];
}

const environment: OperatorDefinition = {
  parameters: 'required',
  truncates: true,
  compile({ text }): ReadValue {
    const value = process.env[text ?? ''];
    const shown = value === undefined ? '-' : byteString(value);
    return () => shown;
  },
};

/** `%COALESCE({"operators": ["X", {"command": "REQ", "param": "a", "max_length": 5}]})%`: the first with a value. */
const coalesce: OperatorDefinition = {
  parameters: 'required',
  truncates: true,
  compile({ text, compile }): ReadValue {
    const { operators } = JSON.parse(text ?? '') as { operators?: unknown };
    if (!Array.isArray(operators) || operators.length === 0)
      throw new Error("COALESCE requires a non-empty 'operators' array");
    const reads = operators.map(item => {
      if (typeof item === 'string') return compile(item, null, 0);
      const { command, param, max_length } = item as {
        command?: string;
        param?: string;
        max_length?: number;
      };
      if (typeof command !== 'string') throw new Error("COALESCE: an operator object needs a 'command'");
      return compile(command, param ?? null, max_length ?? 0);
    });
    return (input, logType) => {
      for (const read of reads) {
        const value = read(input, logType);
        if (value !== null && value !== '') return value;
      }
      return null;
    };
  },
};

/** Operators by name. */
export const metadataOperators: Readonly<Record<string, OperatorDefinition>> = {
  DYNAMIC_METADATA: metadata(dynamic),
  CLUSTER_METADATA: metadata(ofCluster),
  UPSTREAM_METADATA: metadata(ofHost),
  METADATA: anyMetadata,
  FILTER_STATE: filterState,
  PER_REQUEST_STATE: {
    parameters: 'required',
    truncates: false,
    compile: ({ text }) => {
      const key = text ?? '';
      return ({ info }) => (info.filterState?.get(key) ?? null) as FormatValue;
    },
  },
  ENVIRONMENT: environment,
  COALESCE: coalesce,
  UNIQUE_ID: { parameters: 'none', truncates: false, compile: () => () => randomUUID() },
};
