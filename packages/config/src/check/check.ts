// All checks of a decoded message in one call: the walk with its checks by type, then what spans the whole file.

import type { Decoded } from '../decode/json-decoder.ts';
import type { Problems } from '../errors.ts';
import { supportWith } from '../support/built-in.ts';
import type { SupportDeclaration } from '../support/support.ts';
import { checkClusterNames, clusterChecks } from './clusters.ts';
import { type CheckContext, type FormatStringCheck, joinChecks } from './context.ts';
import { checkListenerAddresses, listenerChecks } from './listeners.ts';
import { routeChecks } from './routes.ts';
import { serverChecks } from './server.ts';
import { textChecks } from './texts.ts';
import type { Bootstrap } from './types.ts';
import { Walker } from './walker.ts';

/** What the caller adds to the checks. */
export interface CheckOptions {
  /** What packages implement beyond the tables of this one. */
  support?: readonly SupportDeclaration[];
  /** Checks a substitution format string; without it they are not checked. */
  checkFormatString?: FormatStringCheck;
  /** Whether files and environment variables the configuration names must exist; true unless said otherwise. */
  checkFiles?: boolean;
}

/** Checks a bootstrap. Untyped filters get their types, skipped ones are removed: `bootstrap` is changed. */
export function checkBootstrap(bootstrap: Bootstrap, options: CheckOptions, problems: Problems): void {
  const resources = bootstrap.staticResources;
  const clusterNames = new Set(resources?.clusters.map(({ name }) => name) ?? []);
  const context = checkMessage(
    'envoy.config.bootstrap.v3.Bootstrap',
    bootstrap as never,
    options,
    problems,
    clusterNames,
  );
  if (resources !== undefined) {
    checkClusterNames(context, resources, ['static_resources']);
    checkListenerAddresses(context, resources, ['static_resources']);
  }
  const local = bootstrap.clusterManager?.localClusterName ?? '';
  if (local !== '' && !clusterNames.has(local)) {
    problems.error(['cluster_manager', 'local_cluster_name'], `local cluster '${local}' must be defined`);
  }
}

/** Checks one message of any type; `clusterNames` null leaves clusters that are named unchecked. */
export function checkMessage(
  typeName: string,
  message: Decoded,
  options: CheckOptions,
  problems: Problems,
  clusterNames: ReadonlySet<string> | null,
): CheckContext {
  const context: CheckContext = {
    problems,
    clusterNames,
    checkFormatString: options.checkFormatString ?? null,
    checkFiles: options.checkFiles ?? true,
  };
  const checks = joinChecks([
    textChecks(context),
    routeChecks(context),
    clusterChecks(context),
    listenerChecks(context),
    serverChecks(context),
  ]);
  new Walker(supportWith(options.support ?? []), problems, checks).walk(typeName, message);
  return context;
}
