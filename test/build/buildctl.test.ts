import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { createArchive } from '../../src/archive/write.ts';
import { buildctlEngine } from '../../src/build/engines/buildctl.ts';
import { buildImage } from '../../src/build/image.ts';
import { textFile } from '../../src/build/layer.ts';
import { copyGraph } from '../../src/content/copy.ts';
import { graphOf } from '../../src/content/graph.ts';
import { freshLayout } from '../content/places.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { optionsFor, requestFor } from './request.ts';

/**
 * A program in the place of buildctl, which Debian hasn't: it writes down how it was called, and
 * prints an image. So this shows our words, which follow BuildKit's documentation, and no more.
 */
async function fakeBuildctl(owner: Owner) {
  const folder = await tempDir(owner);
  const at = (name: string) => path.join(folder, name);
  const store = await freshLayout(owner);
  const root = await buildImage(store, {
    platform: { os: 'linux', architecture: 'amd64' },
    layers: [[textFile('file', 'text')]],
    config: {},
  });
  const archive = await createArchive(at('image.tar'), { kind: 'oci' });
  const graph = graphOf(store, root, 'test');
  await copyGraph(graph, archive);
  await archive.tag(root, 'it', (offset) => store.fetch(root, { offset }));
  await archive.finish();
  const script = [
    '#!/bin/sh',
    'case "$1" in',
    '--version) echo "buildctl github.com/moby/buildkit v0.13.2 abc";;',
    'debug) exit 0;;',
    `build) printf '%s\\n' "$@" > ${at('words')}`,
    `  for word; do case "$word" in dockerfile=*) cat "\${word#*=}"/* > ${at('dockerfile')} 2>/dev/null;; esac; done`,
    `  echo '#1 done' >&2; cat ${at('image.tar')};;`,
    'esac',
    '',
  ].join('\n');
  await writeFile(at('buildctl'), script, { mode: 0o755 });
  return {
    program: at('buildctl'),
    root,
    words: async () => (await readFile(at('words'), 'utf8')).trimEnd().split('\n'),
    dockerfile: () => readFile(at('dockerfile'), 'utf8'),
  };
}

test('buildctl is given what the request says, and its image is taken', async (t) => {
  const fake = await fakeBuildctl(t);
  const engine = buildctlEngine(fake.program);
  const folder = await tempDir(t);
  const file = path.join(folder, 'Other');
  await writeFile(file, 'FROM scratch\n');
  const request = requestFor('', {
    context: { kind: 'folder', path: folder },
    dockerfile: { name: 'Other', path: file, bytes: Buffer.from('FROM scratch\n') },
    target: 'last',
    args: [{ name: 'A', value: 'a b', isFromEnvironment: false }],
    platforms: [
      { os: 'linux', architecture: 'amd64' },
      { os: 'linux', architecture: 'arm', variant: 'v7' },
    ],
    noCache: true,
    pull: true,
    secrets: [
      { id: 's', file: '/with,comma' },
      { id: 'e', variable: 'NAME' },
    ],
    ssh: ['default'],
    cacheFrom: ['h.example/cache'],
    cacheTo: ['type=registry,ref=h.example/cache,mode=max'],
    timestamps: 5,
  });
  assert.deepEqual(await engine.probe(request), { can: true, version: '0.13.2' });
  const options = await optionsFor(t);
  const root = await engine.build(request, options);
  assert.equal(root.digest, fake.root.digest);
  assert.ok(await options.store.exists(root));
  const words = await fake.words();
  const pairs = words
    .slice(1)
    .flatMap((word, at, all) => (at % 2 === 0 ? [`${word} ${all[at + 1]}`] : []));
  assert.deepEqual(pairs, [
    '--progress plain',
    '--frontend dockerfile.v0',
    `--local context=${folder}`,
    `--local dockerfile=${folder}`,
    '--opt filename=Other',
    '--opt target=last',
    '--opt platform=linux/amd64,linux/arm/v7',
    '--opt no-cache=',
    '--opt image-resolve-mode=pull',
    '--opt build-arg:A=a b',
    '--secret id=s,"src=/with,comma"',
    '--secret id=e,env=NAME',
    '--ssh default',
    '--import-cache type=registry,ref=h.example/cache',
    '--export-cache type=registry,ref=h.example/cache,mode=max',
    '--output type=oci,dest=-,rewrite-timestamp=true',
  ]);
  assert.ok(
    options.events.some((event) => event.type === 'build.output' && event.line === '#1 done'),
  );
});

test('a Dockerfile that is no file is put beside an empty context', async (t) => {
  const fake = await fakeBuildctl(t);
  const options = await optionsFor(t);
  await buildctlEngine(fake.program).build(requestFor('FROM scratch\nLABEL a=b\n'), options);
  assert.equal(await fake.dockerfile(), 'FROM scratch\nLABEL a=b\n');
});

test('a value of the environment is never shown in arguments', async (t) => {
  const engine = buildctlEngine((await fakeBuildctl(t)).program);
  const args = [{ name: 'TOKEN', value: 'hidden', isFromEnvironment: true }];
  const found = await engine.probe(requestFor('FROM scratch\n', { args }));
  assert.equal(found.can, false);
  assert.doesNotMatch(JSON.stringify(found), /hidden/);
});
