import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { missing } from '../rig/programs.ts';
import { entriesOf, PLATFORMS, prepareMake, prepareRegistry, USUAL } from './scene.ts';

const BASE = 'index.docker.io/woahbase/alpine-base';
const FOUR = ['x86_64', 'aarch64', 'armv7l', 'armhf'];
const skip = missing('docker-registry', 'skopeo');

/** A target with its variables, the list that it makes, and what this is made of. */
const CALLS: readonly (readonly [readonly string[], string, readonly string[]])[] = [
  [['annotate_latest'], 'latest', FOUR],
  [['annotate_version'], '3.22.0', FOUR.map((name) => `${name}_3.22.0`)],
  [['annotate_date'], '3.22.0_20250619', FOUR.map((name) => `${name}_3.22.0_20250619`)],
  [['annotate_latest', 'SKIP_armhf=1', 'SKIP_armv7l=1'], 'latest', ['x86_64', 'aarch64']],
  [['annotate_latest', 'TAGNAME=edge'], 'edge', FOUR.map((name) => `${name}_edge`)],
];

test('annotate names lists and entries as the makefiles do', async (t) => {
  const { mustMake } = await prepareMake(t);
  for (const [words, list, entries] of CALLS) {
    assert.deepEqual(
      await mustMake(...words, '--dry-run', ...USUAL),
      [`${BASE}:${list}`, ...entries.map((entry) => `${BASE}:${entry}`)],
      words.join(' '),
    );
  }
});

test('what is skipped is said, and a list without a version is an error all the same', async (t) => {
  const { make } = await prepareMake(t);
  for (const flag of ['SKIP_ANNOTATE=1', 'SKIP_LATESTTAG=0']) {
    const { code, stderr, stdout } = await make('annotate_latest', flag, ...USUAL);
    assert.equal(code, 0);
    assert.equal(stdout, '');
    assert.equal(
      stderr,
      `Skipping manifest: ${BASE}:x86_64.\nSkipping annotate: ${BASE}:x86_64.\n`,
    );
  }
  for (const target of ['annotate_version', 'annotate_date']) {
    const { code, stderr } = await make(target, 'SKIP_ANNOTATE=1', 'ARCH=x86_64', 'OSVERSION=');
    assert.equal(code, 2);
    assert.match(stderr, /^slipway: OSVERSION is not defined$/m);
    const other = await make(target, 'REPONAME=alpine-nginx', 'ARCH=x86_64');
    assert.match(other.stderr, /^slipway: VERSION is not defined$/m);
  }
});

test('images of several architectures become three lists in one call', { skip }, async (t) => {
  const { build, mustMake, raw, digest, tags } = await prepareRegistry(t);
  const architectures = ['x86_64', 'aarch64', 'armv7l', 'armhf', 'loong64'];
  for (const name of architectures) await build(name, 'one');
  await mustMake('push', ...USUAL, 'ARCH=all');
  await mustMake('annotate_latest', 'annotate_version', 'annotate_date', ...USUAL, 'ARCH=all');
  const expected = [];
  for (const name of architectures) expected.push([PLATFORMS[name], await digest(name)]);
  for (const list of ['latest', '3.22.0', '3.22.0_20250619']) {
    const bytes = await raw(list);
    assert.equal(JSON.parse(bytes).mediaType, 'application/vnd.oci.image.index.v1+json');
    assert.deepEqual(entriesOf(bytes), expected, list);
  }
  assert.equal((await tags()).length, 18);
  await mustMake('annotate_latest', ...USUAL, 'SKIP_armhf=1', 'SKIP_armv7l=1');
  assert.deepEqual(entriesOf(await raw('latest')), expected.slice(0, 2));
});

test('the table says what an image is for, whatever the image says', { skip }, async (t) => {
  const { build, make, must, raw, repository, digest } = await prepareRegistry(t);
  await build('x86_64', 'one');
  await must([
    'push',
    '-q',
    '--from',
    `${repository}:x86_64`,
    `${repository}:x86_64`,
    `${repository}:loong64`,
  ]);
  const { code, stderr } = await make('annotate_latest', 'ARCH=all');
  assert.equal(code, 0, stderr);
  assert.match(stderr, /loong64 says it is for linux\/amd64; the list says linux\/loong64/);
  const image = await digest('x86_64');
  assert.deepEqual(entriesOf(await raw('latest')), [
    ['linux/amd64', image],
    ['linux/loong64', image],
  ]);
});

test('entries are looked up before anything is written', { skip }, async (t) => {
  const { build, make, mustMake, tags, repository } = await prepareRegistry(t);
  await build('x86_64', 'one');
  await mustMake('push', ...USUAL, 'OSVERSION=', 'SKIP_BUILDDATETAG=1');
  const { code, stderr, stdout } = await make('annotate_latest', ...USUAL);
  assert.equal(code, 12);
  assert.equal(stdout, '');
  for (const name of ['aarch64', 'armv7l', 'armhf']) {
    assert.ok(stderr.includes(`${repository}:${name}`), stderr);
  }
  assert.deepEqual(await tags(), ['x86_64']);
});

test('TAGSLIST takes images of another repository of the same registry', { skip }, async (t) => {
  const { build, make, mustMake, must, raw, repository, host, digest } = await prepareRegistry(t);
  for (const name of ['x86_64', 'aarch64']) await build(name, 'one');
  await mustMake('push', ...USUAL, 'OSVERSION=', 'SKIP_BUILDDATETAG=1');
  const other = `${host}/other/place`;
  await must(['push', '-q', '--from', `${repository}:aarch64`, `${other}:aarch64_beta`]);
  const list = `TAGSLIST=${repository}:x86_64  ${other}:aarch64_beta`;
  await mustMake('annotate_latest', ...USUAL, list);
  assert.deepEqual(entriesOf(await raw('latest')), [
    ['linux/amd64', await digest('x86_64')],
    ['linux/arm64', await digest('aarch64_beta', 'other/place')],
  ]);
  await must(['verify', `${repository}:latest`, '--deep']);
  await mustMake('annotate_latest', ...USUAL, `TAGSLIST=${repository}:x86_64 ${repository}:x86_64`);
  assert.equal(entriesOf(await raw('latest')).length, 1);
  await must(['push', '-q', '--from', `${repository}:x86_64`, `${other}:x86_64`]);
  const twins = `TAGSLIST=${repository}:x86_64 ${other}:x86_64`;
  const two = await make('annotate_latest', ...USUAL, twins);
  assert.equal(two.code, 2);
  assert.match(two.stderr, /would have two images for linux\/amd64/);
  const foreign = await make('annotate_latest', ...USUAL, 'TAGSLIST=other.example/a/b:x86_64');
  assert.equal(foreign.code, 2);
  assert.match(foreign.stderr, /cannot use source images from a different registry/);
});

test('two runs at once leave one whole list, with what the tags stand for', { skip }, async (t) => {
  const { build, mustMake, program, folder, raw, digest, host } = await prepareRegistry(t);
  for (const name of ['x86_64', 'aarch64']) await build(name, 'one');
  const words = ['OSVERSION=1', 'BUILDDATE=20250101', `REGISTRY=${host}`, 'ORGNAME=me', 'ARCH=all'];
  await mustMake('push', ...words);
  const annotate = () =>
    program.must(['make', '-C', folder, '-q', 'annotate_latest', 'annotate_version', ...words]);
  await Promise.all([annotate(), annotate(), annotate()]);
  const expected = [
    ['linux/amd64', await digest('x86_64')],
    ['linux/arm64', await digest('aarch64')],
  ];
  for (const list of ['latest', '1']) assert.deepEqual(entriesOf(await raw(list)), expected);
});

test('a version that the image tells is read from the registry where no image is local', {
  skip,
}, async (t) => {
  const { build, mustMake, make, tags, folder } = await prepareRegistry(t);
  await writeFile(
    path.join(folder, 'slipway.yaml'),
    'make: {version: {file: text, pattern: "[0-9.]+$"}}\n',
  );
  await build('aarch64', '2.5');
  await mustMake('push', 'ARCH=all', 'SKIP_BUILDDATETAG=1');
  await mustMake('clean');
  await mustMake('annotate_version', 'ARCH=all');
  assert.deepEqual(await tags(), ['2.5', 'aarch64', 'aarch64_2.5']);
  const { code, stderr } = await make('push', 'ARCH=aarch64', '--dry-run');
  assert.equal(code, 12, 'but what is pushed is local');
  assert.match(stderr, /no such local image/);
});
