import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { missing } from '../rig/programs.ts';
import { prepareMake, prepareRegistry, USUAL } from './scene.ts';

const BASE = 'index.docker.io/woahbase/alpine-base';

/** Variables of a call and the names that it pushes: what users of the makefiles know. */
const CALLS: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['defaults', [], [`${BASE}:x86_64`, `${BASE}:x86_64_3.22.0`, `${BASE}:x86_64_3.22.0_20250619`]],
  [
    'another registry and architecture',
    ['REGISTRY=your.private.registry:5000', 'ARCH=aarch64'],
    ['', '_3.22.0', '_3.22.0_20250619'].map(
      (more) => `your.private.registry:5000/woahbase/alpine-base:aarch64${more}`,
    ),
  ],
  ['no version', ['OSVERSION='], [`${BASE}:x86_64`, `${BASE}:x86_64_20250619`]],
  ['no version tag', ['SKIP_VERSIONTAG=1'], [`${BASE}:x86_64`, `${BASE}:x86_64_3.22.0_20250619`]],
  ['no date tag', ['SKIP_BUILDDATETAG=1'], [`${BASE}:x86_64`, `${BASE}:x86_64_3.22.0`]],
  ['neither', ['SKIP_VERSIONTAG=1', 'SKIP_BUILDDATETAG=1'], [`${BASE}:x86_64`]],
  ['0 skips too', ['SKIP_VERSIONTAG=0'], [`${BASE}:x86_64`, `${BASE}:x86_64_3.22.0_20250619`]],
  [
    'no architecture tag',
    ['SKIP_LATESTTAG=1'],
    [`${BASE}:x86_64_3.22.0`, `${BASE}:x86_64_3.22.0_20250619`],
  ],
  ['nothing', ['SKIP_LATESTTAG=1', 'SKIP_VERSIONTAG=1', 'SKIP_BUILDDATETAG=1'], []],
  ['the architecture is skipped', ['SKIP_x86_64=1'], []],
  [
    'a registry whose name holds that of the architecture',
    ['REGISTRY=x86_64.example.com'],
    ['', '_3.22.0', '_3.22.0_20250619'].map(
      (more) => `x86_64.example.com/woahbase/alpine-base:x86_64${more}`,
    ),
  ],
  [
    'a blank is empty',
    ['SKIP_VERSIONTAG= ', 'SKIP_BUILDDATETAG=1'],
    [`${BASE}:x86_64`, `${BASE}:x86_64_3.22.0`],
  ],
  [
    'of two assignments the last one counts',
    ['OSVERSION=1', 'OSVERSION=2', 'SKIP_BUILDDATETAG=1'],
    [`${BASE}:x86_64`, `${BASE}:x86_64_2`],
  ],
  [
    'empty means default',
    ['ORGNAME=', 'REGISTRY=', 'SKIP_BUILDDATETAG=x', 'OSVERSION='],
    [`${BASE}:x86_64`],
  ],
  [
    'names that are given whole',
    ['IMAGETAG=host:5000/me/it:x', 'VERSIONTAG=other.example/me/it:y'],
    ['host:5000/me/it:x', 'other.example/me/it:y', 'host:5000/me/it:x_3.22.0_20250619'],
  ],
  [
    'an architecture that no table knows',
    ['ARCH=mips', 'SKIP_BUILDDATETAG=1', 'OSVERSION='],
    [`${BASE}:mips`],
  ],
];

test('push names the tags that the makefiles name', async (t) => {
  const { mustMake } = await prepareMake(t);
  for (const [what, words, expected] of CALLS) {
    assert.deepEqual(await mustMake('push', '--dry-run', ...USUAL, ...words), expected, what);
  }
});

test('plan make push is make push --dry-run, and says what is skipped', async (t) => {
  const { run, folder } = await prepareMake(t);
  const words = ['plan', 'make', '-C', folder, 'push', ...USUAL, 'SKIP_VERSIONTAG=1'];
  const { code, stdout, stderr } = await run(words);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, `${BASE}:x86_64\n${BASE}:x86_64_3.22.0_20250619\n`);
  assert.match(stderr, /^Skipping push version tag: .*:x86_64_3\.22\.0\.$/m);
  assert.match(stderr, /^Tagging .*:x86_64_3\.22\.0_20250619$/m);
});

test('the environment counts, the build date too, and the command line comes first', async (t) => {
  const env = {
    REGISTRY: 'env.reg',
    ORGNAME: 'me',
    ARCH: 'armhf',
    OSVERSION: '9',
    BUILDDATE: '20200101',
    SKIP_VERSIONTAG: '1',
    // Of these only the command line counts.
    REPONAME: 'other',
    OPSYS: 'debian',
  };
  const { mustMake } = await prepareMake(t, env);
  const base = 'env.reg/me/alpine-base';
  assert.deepEqual(await mustMake('push', '--dry-run'), [
    `${base}:armhf`,
    `${base}:armhf_9_20200101`,
  ]);
  assert.deepEqual(
    await mustMake('push', '--dry-run', 'REPONAME=debian-it', 'ARCH=i386', 'SKIP_BUILDDATETAG=1'),
    ['env.reg/me/debian-it:i386'],
  );
});

test('an empty value on the command line hides that of the environment', async (t) => {
  const env = { SKIP_VERSIONTAG: '1', SKIP_x86_64: '1', ORGNAME: 'env', OSVERSION: '9' };
  const { mustMake } = await prepareMake(t, env);
  const words = ['SKIP_VERSIONTAG=', 'SKIP_x86_64=', 'ORGNAME=', 'SKIP_BUILDDATETAG=1'];
  assert.deepEqual(await mustMake('push', '--dry-run', 'ARCH=x86_64', ...words), [
    `${BASE}:x86_64`,
    `${BASE}:x86_64_9`,
  ]);
});

test('an unset date is today, in UTC', async (t) => {
  const { mustMake } = await prepareMake(t);
  const day = () => new Date().toISOString().slice(0, 10).replaceAll('-', '');
  const before = day();
  const [, tag] = await mustMake('push', '--dry-run', 'ARCH=x86_64');
  const dates = [before, day()];
  assert.ok(dates.includes(tag?.split('_').at(-1) ?? ''), tag);
});

test('all tags of an image are pushed at once', {
  skip: missing('docker-registry', 'skopeo'),
}, async (t) => {
  const { make, mustMake, build, tags, digest, repository, host } = await prepareRegistry(t);
  await build('x86_64', 'one');
  const { code, stdout, stderr } = await make('push', ...USUAL);
  assert.equal(code, 0, stderr);
  const image = await digest('x86_64');
  assert.equal(stdout, `${repository}@${image}\n`);
  assert.deepEqual(await tags(), ['x86_64', 'x86_64_3.22.0', 'x86_64_3.22.0_20250619']);
  assert.equal(await digest('x86_64_3.22.0_20250619'), image);
  const other = await startDockerRegistry(t);
  await mustMake(`push_registry_${other.host}`, ...USUAL);
  assert.deepEqual(await tags(`${other.host}/me/alpine-base`), await tags());
  // The registry that the image is named for already: the architecture's tag stays as it is.
  await mustMake(`push_registry_${host}`, ...USUAL, 'OSVERSION=4', 'SKIP_BUILDDATETAG=1');
  assert.ok((await tags()).includes('x86_64_4'));
  await mustMake('push', 'REPONAME=legacy', `IMAGETAG=${repository}:x86_64`, 'LEGACY=1');
});

test('ARCH=all pushes every image that is there', {
  skip: missing('docker-registry', 'skopeo'),
}, async (t) => {
  const { mustMake, build, tags, make } = await prepareRegistry(t);
  for (const architecture of ['x86_64', 'aarch64', 'loong64']) await build(architecture, 'one');
  await mustMake('push', 'ARCH=all', 'OSVERSION=1', 'SKIP_BUILDDATETAG=1', 'SKIP_aarch64=1');
  assert.deepEqual(await tags(), ['loong64', 'loong64_1', 'x86_64', 'x86_64_1']);
  const { code, stderr } = await make('push', 'ARCH=all', 'REPONAME=nothing');
  assert.equal(code, 12, stderr);
});

test('a failure of one tag moves none, and ends the call', {
  skip: missing('docker-registry', 'skopeo'),
}, async (t) => {
  const { make, build, tags } = await prepareRegistry(t);
  await build('x86_64', 'one');
  const closed = '127.0.0.1:1';
  const words = ['push', 'annotate_latest', ...USUAL, `VERSIONTAG=${closed}/me/alpine-base:x`];
  const { code, stderr, stdout } = await make(...words, '--retries=0', '--plain-http', closed);
  assert.equal(code, 16, stderr);
  assert.equal(stdout, '');
  await assert.rejects(tags(), /unknown|not found/i);
});

test('pull gets an image from elsewhere under its own name', {
  skip: missing('docker-registry', 'skopeo'),
}, async (t) => {
  const { make, mustMake, build, must, repository, host } = await prepareRegistry(t);
  for (const architecture of ['x86_64', 'aarch64']) await build(architecture, 'one');
  await mustMake('push', 'ARCH=all', 'OSVERSION=', 'SKIP_BUILDDATETAG=1');
  await mustMake('annotate_latest', 'ARCH=all');
  await mustMake('clean');
  assert.equal((await must(['images'])).length, 1, 'only the heading');
  const { code, stderr } = await make(
    'pull',
    'ARCH=aarch64',
    'REGISTRY=my.example',
    `IMAGESRC=${repository}:latest`,
  );
  assert.equal(code, 0, stderr);
  assert.match(
    stderr,
    new RegExp(`^Re-Tagging: ${repository}:latest -> my.example/me/alpine-base:aarch64\\.$`, 'm'),
  );
  const [, ...images] = await must(['images']);
  assert.equal(images.length, 1);
  assert.match(images[0] ?? '', /^my\.example\/me\/alpine-base +aarch64 .*linux\/arm64/);
  const kept = await make('pull', 'ARCH=x86_64', 'TAGSRC=latest', 'SKIP_RETAG=1');
  assert.match(kept.stderr, new RegExp(`^Skipping retag: ${host}/me/alpine-base:latest\\.$`, 'm'));
  await mustMake('pull', 'ARCH=x86_64');
  const names = (await must(['images']))
    .slice(1)
    .map((line) => line.split(/ +/).slice(0, 2).join(':'));
  assert.deepEqual(
    names.sort(),
    [`${repository}:latest`, `${repository}:x86_64`, 'my.example/me/alpine-base:aarch64'].sort(),
  );
  // Names that only begin like it are others' images.
  await must(['tag', `${repository}:x86_64`, `${repository}-dev:1`]);
  await mustMake('clean');
  assert.equal((await must(['images'])).length, 2);
});
