import assert from 'node:assert/strict';
import { copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openLayout } from '../../src/layout/layout.ts';
import { verifyImage } from '../../src/upkeep/verify.ts';
import { missingNewerDocker } from '../rig/dockerd.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { LONG } from '../rig/long.ts';
import { missing, missingEngine } from '../rig/programs.ts';
import { type Builder, type BuilderName, startBuilder } from './builders.ts';
import { type Look, lookAt } from './look.ts';
import { BASE_DOCKERFILE, baseContext, ONBUILD_DOCKERFILE, sampleContext } from './sample.ts';

/** What a Dockerfile of the set says about itself in comments. */
interface Case {
  readonly name: string;
  readonly engines: readonly string[];
  /** by engine: what differs from the first of `engines`, by path or field of the config */
  differences(engine: string): readonly string[];
}

const FOLDER = path.join(import.meta.dirname, 'dockerfiles');

/** In `npm test` one engine builds these; in the long run all engines build all. */
const QUICK = new Set([
  'add-archive',
  'copy-chown-names',
  'copy-context',
  'copy-through-links',
  'onbuild-triggers',
]);

async function allCases(): Promise<readonly Case[]> {
  const files = (await readdir(FOLDER)).sort();
  return Promise.all(
    files.map(async (file): Promise<Case> => {
      const text = await readFile(path.join(FOLDER, file), 'utf8');
      const differs = [...text.matchAll(/^# differs: (\S+) (.+?): (.+)$/gm)];
      return {
        name: path.basename(file, '.Dockerfile'),
        engines: /^# engines: (.+)$/m.exec(text)?.[1]?.split(' ') ?? [],
        differences: (engine) =>
          differs.flatMap(([, engines = '', key = '']) =>
            engines.split(',').includes(engine) ? [key] : [],
          ),
      };
    }),
  );
}

interface Workshop {
  readonly native: Builder;
  /** Builds a Dockerfile of the set with a builder, and looks at the image. */
  make(builder: Builder, name: string): Promise<Look>;
  /** Builds it natively and tells the digest. */
  digest(name: string): Promise<string>;
}

/** A context, a native builder, and base images that it has built. */
async function openWorkshop(owner: Owner): Promise<Workshop> {
  const context = await sampleContext(owner);
  const files = await tempDir(owner);
  const native = await startBuilder(owner, 'native');
  const base = path.join(files, 'base');
  await writeFile(base, BASE_DOCKERFILE);
  await native.build(base, await baseContext(owner), 'base');
  const onbuild = path.join(files, 'onbuild');
  await writeFile(onbuild, ONBUILD_DOCKERFILE);
  await native.build(onbuild, context, 'base-onbuild');
  const build = async (builder: Builder, name: string) => {
    const file = path.join(context, 'Dockerfile');
    await copyFile(path.join(FOLDER, `${name}.Dockerfile`), file);
    return builder.build(file, context, name);
  };
  return {
    native,
    async make(builder, name) {
      const folder = await tempDir(owner);
      const look = await lookAt(folder, builder.layout, name, await build(builder, name));
      await rm(folder, { recursive: true });
      return look;
    },
    async digest(name) {
      await build(native, name);
      const layout = await openLayout(native.layout);
      try {
        await verifyImage(layout, name, { deep: true });
        return (await layout.resolve(name)).digest;
      } finally {
        await layout.close();
      }
    },
  };
}

/** Paths and fields in which two images differ. */
function differences(one: Look, other: Look): readonly string[] {
  const keys = (a: object, b: object) => new Set([...Object.keys(a), ...Object.keys(b)]);
  const differ = (a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>) =>
    [...keys(a, b)].filter((key) => JSON.stringify(a[key]) !== JSON.stringify(b[key]));
  return [...differ(one.files, other.files), ...differ(one.config, other.config)];
}

test('the set covers every instruction', async () => {
  const cases = await allCases();
  assert.ok(cases.length >= 40);
  const text = await Promise.all(
    cases.map(({ name }) => readFile(path.join(FOLDER, `${name}.Dockerfile`), 'utf8')),
  );
  const words = text.join('\n').match(/^[A-Z]+(?= )/gm) ?? [];
  assert.equal(new Set(words).size, 18, [...new Set(words)].join(' '));
  for (const { engines, name } of cases) assert.ok(engines.length > 0, name);
});

test('every Dockerfile gives one digest, wherever and whenever it is built', {
  skip: missing('tar'),
}, async (t) => {
  const names = (await allCases()).flatMap(({ name, engines }) =>
    engines.includes('native') ? name : [],
  );
  const first = await openWorkshop(t);
  const second = await openWorkshop(t);
  for (const [at, name] of names.entries()) {
    const digest = await first.digest(name);
    if (LONG || at % 4 === 0) assert.equal(await second.digest(name), digest, name);
  }
});

const ENGINES: readonly (readonly [BuilderName, () => string | false])[] = [
  ['docker', () => missingEngine('docker', 'dockerd', 'skopeo', 'umoci', 'busybox')],
  ...(LONG
    ? ([
        ['buildkit', () => missingNewerDocker() || missing('skopeo', 'umoci', 'busybox')],
        ['podman', () => missingEngine('podman', 'skopeo', 'umoci', 'busybox')],
        ['buildah', () => missingEngine('buildah', 'skopeo', 'umoci', 'busybox')],
      ] as const)
    : []),
];

for (const [engine, skip] of ENGINES) {
  test(`${engine} builds the same files, owners, modes, links and config`, {
    skip: skip(),
  }, async (t) => {
    const { native, make } = await openWorkshop(t);
    const other = await startBuilder(t, engine);
    for (const tag of ['base', 'base-onbuild']) await other.take(native.layout, tag);
    for (const one of await allCases()) {
      if (!one.engines.includes(engine) || !(LONG || QUICK.has(one.name))) continue;
      const found = await make(other, one.name);
      // What runs commands isn't built natively; there it is enough that it is built.
      if (!one.engines.includes('native')) continue;
      const expected = await make(native, one.name);
      assert.deepEqual(
        new Set(differences(expected, found)),
        new Set(one.differences(engine)),
        `${one.name}: ${JSON.stringify([expected, found], null, 1)}`,
      );
      if (engine === 'buildkit') assert.deepEqual(found.history, expected.history, one.name);
    }
  });
}
