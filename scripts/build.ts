/**
 * Builds what is published: `dist/slipway.js` (the launcher) with the bundled command behind it,
 * `dist/index.js` (the library, its dependencies left outside) and the type declarations.
 */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { type BuildOptions, build, type Metafile } from 'esbuild';
import { asCommonJs, buildOf } from './common-js.ts';
import { inPacks } from './packs.ts';
import { QUICK_START } from './quick-start.ts';

const ROOT = path.dirname(import.meta.dirname);
const DIST = path.join(ROOT, 'dist');

const SHARED: BuildOptions = {
  absWorkingDir: ROOT,
  outdir: DIST,
  platform: 'node',
  target: 'node24.15',
  format: 'esm',
  bundle: true,
  // Commands are imported when they are called; so each keeps a file of its own.
  splitting: true,
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
  metafile: true,
};

/**
 * A shell script and JavaScript in one. Node reads every `--env-file` in front of a `--`, those of
 * `slipway run` too, and obeys the NODE_OPTIONS in it, which are for the container
 * (docs/decisions/0063-how-the-command-starts.md).
 */
const START = `#!/bin/sh
':' //; exec node -- "$0" "$@"`;

const { version, peerDependencies } = JSON.parse(
  await readFile(path.join(ROOT, 'package.json'), 'utf8'),
);

await rm(DIST, { recursive: true, force: true });
const PACKAGES = [...Object.keys(peerDependencies), '@evertdespiegeleer/go-template'];

const BUNDLED: BuildOptions = {
  ...SHARED,
  define: {
    SLIPWAY_VERSION: JSON.stringify(version),
    // undici leaves its second parser out, which is an experiment and as large as the first.
    esbuildDetection: 'true',
  },
  plugins: [...QUICK_START],
  // Its main file can't be bundled: it asks for its parts with a require() that is handed to it.
  alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
  // Each cloud's own library: loaded when it is there and asked for.
  // A template engine that reads its WebAssembly beside itself.
  external: PACKAGES,
};
const command = await build({
  ...BUNDLED,
  metafile: true,
  entryPoints: { 'cli/main': 'src/cli/process.ts' },
  chunkNames: 'cli/[name]-[hash]',
  write: false,
});
const chunks = inPacks(await asCommonJs(command, PACKAGES), command.metafile, {
  'main.cjs': 'src/cli/process.ts',
  'commands.cjs': 'small-commands:',
});
await mkdir(path.join(DIST, 'cli'), { recursive: true });
for (const chunk of chunks) await writeFile(chunk.path, chunk.text);
await Promise.all([
  build({
    ...BUNDLED,
    entryPoints: { cli: 'scripts/start.ts' },
    splitting: false,
    define: { SLIPWAY_BUILD: JSON.stringify(buildOf(chunks)) },
  }),
  // It runs in a thread of its own, beside the chunks that start it.
  build({
    ...BUNDLED,
    entryPoints: { 'cli/template-worker': 'src/jet/template-worker.ts' },
    splitting: false,
  }),
  build({
    ...SHARED,
    entryPoints: { index: 'src/index.ts' },
    chunkNames: 'library/[name]-[hash]',
    packages: 'external',
  }),
  build({
    ...SHARED,
    entryPoints: { slipway: 'scripts/launcher.js' },
    target: 'node10',
    supported: { 'dynamic-import': true },
    splitting: false,
    external: ['./cli.js'],
    banner: { js: START },
  }),
]);
await chmod(path.join(DIST, 'slipway.js'), 0o755);
await writeFile(path.join(DIST, 'THIRD-PARTY-LICENSES.txt'), await licenses(command.metafile));
writeDeclarations();
process.stdout.write(`built slipway ${version} in dist/\n`);

/** TypeScript's own compiler writes the declarations; `node_modules/.bin` is on PATH in npm run. */
function writeDeclarations(): void {
  const compiler = createRequire(import.meta.url).resolve('typescript/package.json');
  const bin = path.join(path.dirname(compiler), 'bin', 'tsc');
  execFileSync(process.execPath, [bin, '-p', 'tsconfig.build.json'], {
    cwd: ROOT,
    stdio: 'inherit',
  });
}

/** The licences of the packages whose code is inside the bundle, which ask to travel with it. */
async function licenses(metafile: Metafile | undefined): Promise<string> {
  const folders = new Set<string>();
  for (const input of Object.keys(metafile?.inputs ?? {})) {
    const found = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found?.[1] !== undefined) folders.add(found[1]);
  }
  const texts = [...folders].sort().map(async (folder) => {
    const { name, version, license } = JSON.parse(
      await readFile(path.join(ROOT, folder, 'package.json'), 'utf8'),
    );
    return `${name} ${version} (${license})\n\n${await licenseText(path.join(ROOT, folder))}\n`;
  });
  const ownCopies = [copied('libdeflate 1.23 (MIT)', 'scripts/deflate/LICENSE-libdeflate.txt')];
  return (await Promise.all([...texts, ...ownCopies])).join('\n----\n\n');
}

/** The licence of code that was taken into ours. */
async function copied(name: string, file: string): Promise<string> {
  return `${name}\n\n${(await readFile(path.join(ROOT, file), 'utf8')).trim()}\n`;
}

async function licenseText(folder: string): Promise<string> {
  for (const name of ['LICENSE', 'LICENSE.md', 'LICENSE.txt', 'license']) {
    const text = await readFile(path.join(folder, name), 'utf8').catch(() => undefined);
    if (text !== undefined) return text.trim();
  }
  const readme = await readFile(path.join(folder, 'README.md'), 'utf8').catch(() => '');
  const section = /^#+ Licen[cs]e\b[^\n]*\n([\s\S]+)/im.exec(readme)?.[1];
  if (section !== undefined) return section.trim();
  throw new Error(`${folder} has no licence file`);
}
