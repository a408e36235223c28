import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT } from './sources.ts';

/** Packages that may have an install script, with the reason. */
const INSTALL_SCRIPTS: Readonly<Record<string, string>> = {
  'node_modules/esbuild':
    'only makes its command start faster; the build works where the script was not run',
};

const REGISTRY = 'https://registry.npmjs.org/';

interface Lock {
  readonly packages: Readonly<
    Record<
      string,
      {
        readonly version?: string;
        readonly resolved?: string;
        readonly integrity?: string;
        readonly hasInstallScript?: boolean;
        readonly optional?: boolean;
        readonly link?: boolean;
      }
    >
  >;
}

const manifest = readJson('package.json') as {
  readonly engines: { readonly node: string };
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
};
const forDevelopment = readJson('scripts/node/package.json') as {
  readonly optionalDependencies: Record<string, string>;
};
const lock = readJson('package-lock.json') as Lock;

function readJson(name: string): unknown {
  return JSON.parse(readFileSync(path.join(ROOT, name), 'utf8'));
}

const pinned = {
  ...manifest.dependencies,
  ...manifest.devDependencies,
  ...forDevelopment.optionalDependencies,
};

test('every dependency is pinned to one exact version', () => {
  assert.ok(Object.keys(pinned).length > 5);
  const loose = Object.entries(pinned).filter(([, range]) => !/^\d+\.\d+\.\d+$/.test(range));
  assert.deepEqual(loose, []);
});

test('the lock file holds what package.json pins, from the registry, with its digest', () => {
  for (const [name, version] of Object.entries(pinned)) {
    assert.equal(lock.packages[`node_modules/${name}`]?.version, version, name);
  }
  const odd = Object.entries(lock.packages)
    .filter(([name, entry]) => name.startsWith('node_modules/') && entry.link !== true)
    .filter(
      ([, entry]) =>
        !entry.integrity?.startsWith('sha512-') ||
        !(entry.resolved ?? REGISTRY).startsWith(REGISTRY),
    )
    .map(([name]) => name);
  assert.deepEqual(odd, []);
});

test('no dependency runs a script when it is installed, but those with a reason', () => {
  const found = Object.entries(lock.packages)
    .filter(([, entry]) => entry.hasInstallScript === true && entry.optional !== true)
    .map(([name]) => name);
  assert.deepEqual(found, Object.keys(INSTALL_SCRIPTS));
});

test('the check of the Node version agrees with package.json', () => {
  assert.equal(manifest.engines.node, '^24.15.0 || >=26');
  for (const [version, runs] of Object.entries({
    '10.24.1': false,
    '20.20.2': false,
    '22.23.0': false,
    '24.14.9': false,
    '24.15.0': true,
    '24.21.0': true,
    '25.9.0': false,
    '26.0.0': true,
    '30.1.2': true,
  })) {
    const { status, stdout, stderr } = onNode(version);
    assert.equal(status, runs ? 0 : 1, version);
    assert.equal(stdout, '');
    if (runs) assert.equal(stderr, '');
    else assert.match(stderr, new RegExp(`^slipway needs Node .*; this is ${version}\\n$`));
  }
});

/** Runs the check as if this Node were another one. */
function onNode(version: string) {
  const pretend = `Object.defineProperty(process, 'versions', { value: { node: '${version}' } })`;
  return spawnSync(
    process.execPath,
    [`--import=data:text/javascript,${pretend}`, path.join(ROOT, 'scripts/require-node.js')],
    { encoding: 'utf8' },
  );
}
