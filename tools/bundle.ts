// Bundles the programs into node_modules/.cache/dragoman/bundle: a few big files load in half the time of some hundred
// small ones and take 20 MB less. Runs when the packages are installed; bin/launch.sh takes the sources instead whenever
// one of them is newer. Nothing is published from here: `nx build` makes the packages.

import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

const root = resolve(import.meta.dirname, '..');
const folder = join(root, 'node_modules', '.cache', 'dragoman', 'bundle');

/** Started by name, so each keeps a file of its own; beside each other, as worker addresses are relative. */
const ENTRIES = {
  gateway: 'apps/gateway/src/main.ts',
  sidecar: 'apps/sidecar/src/main.ts',
  plugin: 'apps/plugin/src/main.ts',
  worker: 'apps/gateway/src/worker.ts',
  'demo-upstream': 'apps/gateway/src/demo/demo-upstream.ts',
  'serve-task': 'packages/pool/src/serve-task.ts',
  'watchdog-program': 'packages/vm/src/limits/watchdog-program.ts',
  'self-test-program': 'packages/vm/src/limits/self-test-program.ts',
};

/**
 * Third-party packages stay where they are if the bundle finds the same copy there as the importing package does; a
 * second version of one, nested inside a package, is taken into the bundle.
 */
const thirdParty: Plugin = {
  name: 'third-party',
  setup({ onResolve }) {
    const fromRoot = createRequire(join(root, 'package.json'));
    onResolve({ filter: /^[^./]/ }, ({ path, importer, kind }) => {
      if (kind === 'entry-point' || path.startsWith('node:') || path.startsWith('@dragoman/')) return null;
      if (importer.includes('/node_modules/')) return null;
      const own = createRequire(importer).resolve(path);
      return own === fromRoot.resolve(path) ? { path, external: true } : null;
    });
  },
};

/** Files that modules find relative to themselves keep their place: their addresses become absolute. */
const places: Plugin = {
  name: 'places',
  setup({ onLoad }) {
    onLoad({ filter: /\/(apps|packages)\/[^/]+\/src\/.*\.ts$/ }, ({ path }) => {
      const contents = readFileSync(path, 'utf8')
        .replaceAll(/new URL\('([^']+)', import\.meta\.url\)/g, (_, relative) => {
          return `new URL(${JSON.stringify(new URL(relative, pathToFileURL(path)).href)})`;
        })
        .replaceAll('import.meta.dirname', JSON.stringify(dirname(path)));
      return { contents, loader: 'ts' };
    });
  },
};

rmSync(folder, { recursive: true, force: true });
await build({
  entryPoints: ENTRIES,
  absWorkingDir: root,
  outdir: folder,
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node26',
  legalComments: 'none',
  // CommonJS packages inside the bundle ask for Node's modules by require.
  banner: {
    js: "import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);",
  },
  logLevel: 'warning',
  plugins: [thirdParty, places],
});
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
// Last: the launcher compares the sources' times with this file's, and its place with the checkout's.
writeFileSync(join(folder, 'made-for'), `${root}\n`);
process.stdout.write('bundle: made\n');
