// Checks of the bootstrap's runtime and statistics settings beyond single values.

import type { LayeredRuntime, TagSpecifier } from '../../descriptor/types.ts';
import type { CheckContext, TypeChecks } from './context.ts';

/** Checks by message type. */
export function serverChecks(context: CheckContext): TypeChecks {
  return {
    'envoy.config.bootstrap.v3.LayeredRuntime': ({ layers }: LayeredRuntime, path) => {
      const names = new Set<string>();
      layers.forEach(({ name }, i) => {
        if (names.has(name))
          context.problems.error([...path, 'layers', i, 'name'], `Duplicate layer name: ${name}`);
        names.add(name);
      });
      if (layers.filter(({ adminLayer }) => adminLayer !== undefined).length > 1) {
        const text = 'Too many admin layers specified in LayeredRuntime, at most one may be specified';
        context.problems.error([...path, 'layers'], text);
      }
    },
    'envoy.config.metrics.v3.TagSpecifier': ({ regex }: TagSpecifier, path) => {
      if (regex === undefined || regex === '') return;
      try {
        new RegExp(regex);
      } catch (error) {
        context.problems.error([...path, 'regex'], `Invalid regex '${regex}': ${(error as Error).message}`);
      }
    },
  };
}
