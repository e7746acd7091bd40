// Builds the package in the working directory into its dist/: JavaScript with declarations, the other published
// files, and a package.json whose entry points lead to them, so that `npm publish dist` works. `nx build` runs it.

import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

interface Manifest {
  name: string;
  exports: Record<string, string>;
  bin?: Record<string, string>;
  /** Absent in programs, which are not published. */
  files?: string[];
  dependencies?: Record<string, string>;
  [field: string]: unknown;
}

const packageFolder = process.cwd();
const root = resolve(import.meta.dirname, '..');
const dist = join(packageFolder, 'dist');
const manifest = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8')) as Manifest;

/**
 * Compiles src/ to dist/src/. Other packages of the house are read as their built declarations: Nx has built them
 * before (`dependsOn: ^build`), and their sources stay out of this package's output.
 */
function compile(): void {
  const paths: Record<string, string[]> = {};
  for (const name of housePackages()) {
    paths[`@dragoman/${name}`] = [join(root, 'packages', name, 'dist', 'src', 'index.d.ts')];
  }
  const settings = {
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions: {
      noEmit: false,
      allowImportingTsExtensions: false,
      declaration: true,
      declarationMap: false,
      rootDir: packageFolder,
      outDir: dist,
      typeRoots: [join(root, 'node_modules', '@types')],
      paths,
    },
    include: [join(packageFolder, 'src'), join(root, 'types')],
    exclude: ['*.test.ts', 'testing/**', 'test-*.ts'].map(name => join(packageFolder, 'src', '**', name)),
  };
  const settingsPath = join(packageFolder, 'tsconfig.dist.json');
  writeFileSync(settingsPath, JSON.stringify(settings));
  const compiler = join(root, 'node_modules', '.bin', 'tsc');
  const { status } = spawnSync(compiler, ['-p', settingsPath], { stdio: 'inherit' });
  rmSync(settingsPath);
  if (status !== 0) process.exit(status ?? 1);
}

function housePackages(): string[] {
  return readdirSync(join(root, 'packages')).filter(name =>
    existsSync(join(root, 'packages', name, 'package.json')),
  );
}

/** Generated declarations stand beside the sources and are not copied by the compiler. */
function copyPublishedFiles(): void {
  for (const file of manifest.files ?? []) {
    if (file === 'src') continue;
    const source = join(packageFolder, file);
    if (existsSync(source)) cpSync(source, join(dist, file), { recursive: true });
  }
  cpSync(join(root, 'LICENSE'), join(dist, 'LICENSE'));
}

function writeManifest(): void {
  const { nx: _nx, scripts: _scripts, devDependencies: _dev, ...published } = manifest;
  const built = (path: string) => path.replace(/\.ts$/, '.js');
  const exports: Record<string, { types: string; default: string }> = {};
  for (const [entry, path] of Object.entries(manifest.exports)) {
    exports[entry] = { types: path.replace(/\.ts$/, '.d.ts'), default: built(path) };
  }
  writeFileSync(join(dist, 'package.json'), `${JSON.stringify({ ...published, exports }, null, 2)}\n`);
}

rmSync(dist, { recursive: true, force: true });
compile();
copyPublishedFiles();
writeManifest();
process.stdout.write(`${manifest.name}: built into dist\n`);
