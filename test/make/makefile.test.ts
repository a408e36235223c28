import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { testRegistry } from '../content/places.ts';
import { MAIN } from '../rig/main.ts';
import { missing, run } from '../rig/programs.ts';
import { entriesOf, prepareMake, prepareRegistry, projectFile } from './scene.ts';

const INCLUDE = path.resolve(import.meta.dirname, '../../slipway.mk');

type Scene = Awaited<ReturnType<typeof prepareMake>>;

/** Writes a makefile that includes ours, and gives what runs GNU make on it. */
async function withMakefile({ folder, program }: Scene, lines: readonly string[]) {
  const text = [...lines, `SLIPWAY := ${process.execPath} ${MAIN}`, `include ${INCLUDE}`, ''];
  await writeFile(path.join(folder, 'Makefile'), text.join('\n'));
  const make = (words: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    run('make', ['--no-print-directory', ...words], {
      cwd: folder,
      env: { ...program.env, ...env },
    });
  return {
    make,
    async must(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
      const { code, stdout, stderr } = await make(words, env);
      if (code !== 0) throw new Error(`make ${words.join(' ')} ended with ${code}: ${stderr}`);
      // With -n, make itself shows the recipe.
      return stdout.split('\n').filter((line) => line !== '' && !line.startsWith(process.execPath));
    },
  };
}

const BASE = 'index.docker.io/woahbase/alpine-base';
const USUAL = ['BUILDDATE=20250619', 'OSVERSION=3.22.0', 'ARCH=x86_64'];

const CALLS: readonly (readonly [readonly string[], readonly string[]])[] = [
  [[], [`${BASE}:x86_64`, `${BASE}:x86_64_3.22.0`, `${BASE}:x86_64_3.22.0_20250619`]],
  [
    ['REGISTRY=your.private.registry:5000', 'ARCH=aarch64'],
    ['', '_3.22.0', '_3.22.0_20250619'].map(
      (more) => `your.private.registry:5000/woahbase/alpine-base:aarch64${more}`,
    ),
  ],
  [['OSVERSION='], [`${BASE}:x86_64`, `${BASE}:x86_64_20250619`]],
  [['SKIP_VERSIONTAG=1'], [`${BASE}:x86_64`, `${BASE}:x86_64_3.22.0_20250619`]],
  [['SKIP_BUILDDATETAG=1'], [`${BASE}:x86_64`, `${BASE}:x86_64_3.22.0`]],
  [['SKIP_VERSIONTAG=1', 'SKIP_BUILDDATETAG=1'], [`${BASE}:x86_64`]],
  [['SKIP_VERSIONTAG=0'], [`${BASE}:x86_64`, `${BASE}:x86_64_3.22.0_20250619`]],
  [['SKIP_LATESTTAG=1'], [`${BASE}:x86_64_3.22.0`, `${BASE}:x86_64_3.22.0_20250619`]],
  [['SKIP_LATESTTAG=1', 'SKIP_VERSIONTAG=1', 'SKIP_BUILDDATETAG=1'], []],
  [['SKIP_x86_64=1'], []],
  [
    ['SKIP_VERSIONTAG= ', 'SKIP_BUILDDATETAG=1'],
    [`${BASE}:x86_64`, `${BASE}:x86_64_3.22.0`],
  ],
  [
    ['REGISTRY=x86_64.example.com', 'SKIP_BUILDDATETAG=1'],
    [
      'x86_64.example.com/woahbase/alpine-base:x86_64',
      'x86_64.example.com/woahbase/alpine-base:x86_64_3.22.0',
    ],
  ],
];

test('make -n push names what slipway make push --dry-run names', {
  skip: missing('make'),
}, async (t) => {
  const { must } = await withMakefile(await prepareMake(t), []);
  for (const [words, expected] of CALLS) {
    assert.deepEqual(await must(['-n', 'push', ...USUAL, ...words]), expected, words.join(' '));
  }
  const env = {
    REGISTRY: 'env.reg',
    ORGNAME: 'me',
    ARCH: 'armhf',
    OSVERSION: '9',
    BUILDDATE: '20200101',
    SKIP_VERSIONTAG: '1',
  };
  assert.deepEqual(await must(['-n', 'push'], env), [
    'env.reg/me/alpine-base:armhf',
    'env.reg/me/alpine-base:armhf_9_20200101',
  ]);
  const lists = await must([
    '-n',
    'annotate_latest',
    'annotate_version',
    'annotate_date',
    ...USUAL,
    'SKIP_armv7l=1',
    'SKIP_armhf=1',
  ]);
  assert.deepEqual(
    lists,
    ['', '3.22.0', '3.22.0_20250619'].flatMap((tag) => [
      `${BASE}:${tag === '' ? 'latest' : tag}`,
      ...['x86_64', 'aarch64'].map((name) => `${BASE}:${name}${tag === '' ? '' : `_${tag}`}`),
    ]),
  );
});

test('what a makefile says counts, and no value is taken for a command', {
  skip: missing('make'),
}, async (t) => {
  const { must, make } = await withMakefile(await prepareMake(t), [
    'REPONAME := debian-it',
    'ORGNAME ?= me',
    'VERSION := 7',
    'SKIP_BUILDDATETAG := 1',
    'REGISTRY := own.example',
  ]);
  const words = ['-n', 'push', 'ARCH=i386'];
  assert.deepEqual(await must(words, { REGISTRY: 'env.reg', ORGNAME: 'you' }), [
    'own.example/you/debian-it:i386',
    'own.example/you/debian-it:i386_7',
  ]);
  assert.deepEqual(await must([...words, 'SKIP_BUILDDATETAG=', 'VERSION=', 'BUILDDATE=20250101']), [
    'own.example/me/debian-it:i386',
    'own.example/me/debian-it:i386_20250101',
  ]);
  const odd = await make([
    'push',
    'ARCH=i386',
    "OTHER=it's `id` $$(id) ; a=b \\ end",
    'REGISTRY=own.example:1',
  ]);
  assert.equal(odd.code, 2);
  assert.doesNotMatch(odd.stdout + odd.stderr, /uid=/);
  assert.match(odd.stderr, /no such local image: own\.example:1\/me\/debian-it:i386/);
});

test('a value of several lines reaches a test whole, and is an error elsewhere', {
  skip: missing('make'),
}, async (t) => {
  const scene = await prepareMake(t);
  const command = ['define TESTCMD', "echo it's one", 'echo $$HOME', 'endef'];
  const { must } = await withMakefile(scene, command);
  const words = ['ARCH=x86_64', 'REGISTRY=a.b:1'];
  assert.deepEqual(await must(['-n', 'test', ...words]), [
    "a.b:1/woahbase/alpine-base:x86_64: echo it's one echo $HOME",
  ]);
  const seen = await must(['test', ...words, 'SLIPWAY=printenv TESTCMD #']);
  assert.deepEqual(seen, ["echo it's one", 'echo $HOME']);
  const { make } = await withMakefile(scene, ['define REPONAME', 'a', 'id #', 'endef']);
  const odd = await make(['-n', 'push', ...words]);
  assert.equal(odd.code, 2);
  assert.match(odd.stderr, /REPONAME has several lines/);
  assert.doesNotMatch(odd.stdout, /uid=/);
});

test('targets are made one after the other, also with -j', { skip: missing('make') }, async (t) => {
  const { must, make } = await withMakefile(await prepareMake(t), []);
  const goals = ['push_registry_a.b:5000', 'annotate_latest', 'push'];
  const words = [
    ...USUAL,
    'OSVERSION=',
    'SKIP_BUILDDATETAG=1',
    'TAGSLIST=index.docker.io/a/b:x86_64',
  ];
  assert.deepEqual(await must(['-j4', '-n', ...goals, ...words]), [
    'a.b:5000/woahbase/alpine-base:x86_64',
    `${BASE}:latest`,
    'index.docker.io/a/b:x86_64',
    `${BASE}:x86_64`,
  ]);
  const { code, stderr } = await make(['-j4', '-k', 'push', 'annotate_latest', ...USUAL]);
  assert.equal(code, 2);
  assert.match(stderr, /no such local image/);
  assert.doesNotMatch(stderr, /for the list/, 'none after one that failed');
});

const skip = missing('make', 'docker-registry', 'skopeo');

test('real make pushes, joins, rolls back and pushes elsewhere', {
  skip,
}, async (t: TestContext) => {
  const scene = await prepareRegistry(t);
  const { host, build, tags, raw, digest } = scene;
  const { must, make } = await withMakefile(scene, [`REGISTRY := ${host}`, 'ORGNAME := me']);
  const words = ['OSVERSION=1', 'ARCH=all'];
  for (const day of ['20250101', '20250102']) {
    for (const name of ['x86_64', 'aarch64']) await build(name, day);
    const lists = ['annotate_latest', 'annotate_version', 'annotate_date'];
    await must(['push', ...lists, ...words, `BUILDDATE=${day}`]);
  }
  assert.equal((await tags()).length, 4 + 4 + 4);
  await must(['rollback']);
  const old = [
    ['linux/amd64', await digest('x86_64_1_20250101')],
    ['linux/arm64', await digest('aarch64_1_20250101')],
  ];
  for (const list of ['latest', '1']) assert.deepEqual(entriesOf(await raw(list)), old);
  const failed = await make(['push_registry_127.0.0.1:1', ...words, 'SLIPWAY_FLAGS=--retries=0']);
  assert.equal(failed.code, 2, 'the failure reaches make');
  assert.match(failed.stderr, /127\.0\.0\.1:1/);
});

test('the makefile of the README does what it says there', { skip: missing('make') }, async (t) => {
  const embedded = await testRegistry(t);
  const { host } = embedded.registry;
  const repository = embedded.repository('team/alpine-nginx');
  const [, makefile = '', , calls = ''] =
    /```make\n([^`]*)```\n(\n)```sh\n([^`]*)```/.exec(await projectFile('README.md')) ?? [];
  const lines = makefile.split('\n').filter((line) => line !== '' && line !== 'include slipway.mk');
  assert.equal(lines.length, 4);
  const scene = await prepareMake(t);
  const { must } = await withMakefile(
    scene,
    lines.map((line) => line.replace('localhost:5000', host)),
  );
  const words = calls.split('\n').flatMap((line) => /^make (.*)$/.exec(line)?.slice(1) ?? []);
  assert.equal(words.length, 5);
  await writeFile(path.join(scene.folder, 'Dockerfile'), 'FROM scratch\nCOPY day /day\n');
  const day = path.join(scene.folder, 'day');
  await writeFile(day, 'the day before');
  const same = [`REGISTRY=${host}`, 'ORGNAME=team', 'REPONAME=alpine-nginx', 'VERSION=1.27.0'];
  for (const call of words.slice(0, -2)) {
    await scene.mustMake(...call.split(' '), ...same, 'BUILDDATE=20250618');
  }
  await writeFile(day, 'the day');
  for (const call of words.slice(0, -2)) await must(call.split(' '), { BUILDDATE: '20250619' });
  const names = ['x86_64', 'aarch64'];
  const ofDay = (day: string) => names.map((name) => `${name}_1.27.0_${day}`);
  assert.deepEqual(
    (await Array.fromAsync(repository.list())).sort(),
    [
      ...['latest', '1.27.0', ...names, ...names.map((name) => `${name}_1.27.0`)],
      ...ofDay('20250618'),
      ...ofDay('20250619'),
    ].sort(),
  );
  const [history = '', rollback = ''] = words.slice(-2);
  assert.match((await must([history])).join('\n'), /^1\.27\.0 +20250619 +x86_64 .* current$/m);
  await must([rollback]);
  for (const name of names) {
    const old = await repository.resolve(`${name}_1.27.0_20250618`);
    assert.deepEqual(await repository.resolve(name), old);
  }
});
