import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { digestHex, digestOf } from '../../src/oci/digest.ts';
import { bytesOf } from '../content/images.ts';
import { tempDir } from '../rig/lifetime.ts';
import { dockerArchive, fileOf, layerOf } from './archives.ts';
import { expectFailure } from './failure.ts';
import { type CommandLine, prepareCommandLine } from './in-process.ts';
import { LAYERS, prepare } from './scene.ts';

const APP = dockerArchive({ layers: LAYERS });

/** No image is there, nothing half-written, and what a next run can use is right and can go. */
async function expectNothingLeft({ home, must }: CommandLine): Promise<void> {
  const list = async () => (await readdir(home, { recursive: true }).catch(() => [])).toSorted();
  const names = await list();
  const halfWritten = /\.slipway\/(?:ingest|leases|trash)\/|\.part$|\.tmp$|spool/;
  assert.deepEqual(
    names.filter((name) => halfWritten.test(name)),
    [],
  );
  const isBlob = (name: string) => /blobs\/sha256\/[0-9a-f]/.test(name);
  for (const name of names.filter(isBlob)) {
    const digest = digestOf(await readFile(path.join(home, name)));
    assert.equal(digestHex(digest), path.basename(name));
  }
  assert.deepEqual(await must(['images', '-q']), ['']);
  await must(['image', 'prune', '--force']);
  assert.deepEqual((await list()).filter(isBlob), []);
}

interface BadArchive {
  readonly what: string;
  readonly bytes: Uint8Array;
  readonly name?: string;
  readonly code: number;
  readonly says: RegExp;
}

const RAW = layerOf('base', bytesOf('base', 60_000));
const flipped = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
};
const firstLayer = APP.indexOf(RAW.subarray(512, 1_024)) + 100;

const BAD_ARCHIVES: readonly BadArchive[] = [
  { what: 'empty', bytes: Buffer.alloc(0), code: 2, says: /is no image archive: it is empty/ },
  { what: 'text', bytes: Buffer.from('hello\n'), code: 2, says: /is no image archive: it is text/ },
  {
    what: 'a web page',
    bytes: Buffer.from('<!doctype html><p>'),
    code: 2,
    says: /it is a web page/,
  },
  {
    what: 'random bytes',
    bytes: bytesOf('random', 5_000),
    code: 2,
    says: /is no image archive|is no tar/,
  },
  { what: 'a tar of something else', bytes: layerOf('a', 'b'), code: 2, says: /holds no image/ },
  {
    what: 'cut in a layer',
    bytes: APP.subarray(0, APP.length / 2),
    code: 17,
    says: /ends too early/,
  },
  {
    what: 'cut gzip',
    bytes: gzipSync(APP).subarray(0, 5_000),
    code: 17,
    says: /ends too early|cut off|unexpected end/i,
  },
  {
    what: 'a flipped byte in a layer',
    bytes: flipped(APP, firstLayer),
    code: 17,
    says: /have the digest/,
  },
  {
    what: 'a layer that is not that of its diffID',
    bytes: dockerArchive({ layers: LAYERS, firstLayer: layerOf('base', bytesOf('other', 60_000)) }),
    code: 17,
    says: /have the digest/,
  },
  {
    what: 'a missing layer',
    bytes: dockerArchive({ layers: LAYERS, leftOut: 1 }),
    code: 17,
    says: /which its manifest\.json names/,
  },
  {
    what: 'a name that is not in it',
    bytes: APP,
    name: 'nosuch:1',
    code: 12,
    says: /no image with the name "nosuch:1"\n.*\n.*it holds app:1/,
  },
  {
    what: 'one diffID too many',
    bytes: dockerArchive({ layers: LAYERS, config: { rootfs: { type: 'layers', diff_ids: [] } } }),
    code: 17,
    says: /has 0 diff_ids for 2 layers/,
  },
];

for (const { what, bytes, name, code, says } of BAD_ARCHIVES) {
  test(`a bad archive is told, and leaves nothing behind: ${what}`, async (t) => {
    const scene = await prepare(t);
    const file = await fileOf(t, 'bad.tar', bytes);
    const from = `docker-archive:${file}${name === undefined ? '' : `:${name}`}`;
    const out = await tempDir(t);
    for (const args of [
      ['push', '--from', from, `${scene.host}/app:1`],
      ['copy', from, `docker-archive:${out}/copy.tar`],
      ['copy', from, 'app:1'],
      name === undefined ? ['load', '-i', file] : ['load', '-i', file, `${name}=app:1`],
    ]) {
      expectFailure(await scene.run(args), {
        code,
        says,
        ...(args[0] === 'load' ? {} : { side: 'source' }),
      });
      await expectNothingLeft(scene);
    }
    assert.deepEqual(await readdir(out), []);
    const listed = await scene.run(['ls', `${scene.host}/app`]);
    assert.ok(listed.code === 12 || listed.stdout === 'TAG   DIGEST\n', listed.stdout);
  });
}

test('files and folders that are not there, or are something else', async (t) => {
  const scene = await prepare(t);
  const folder = await tempDir(t);
  const to = `${scene.host}/app:1`;
  for (const [from, says] of [
    [`docker-archive:${folder}/nosuch.tar`, /nosuch\.tar: no such file or folder/],
    [`docker-archive:${folder}`, /is a folder, and an archive is a file/],
    [`docker-archive:${folder}/${'x'.repeat(300)}`, /the name is too long/],
    [`oci:${folder}/nosuch`, /no such folder/],
    [`oci:${folder}`, /is no OCI image layout/],
    [`oci-archive:/dev/null`, /is no image archive: it is empty/],
  ] as const) {
    expectFailure(await scene.run(['push', '--from', from, to]), { code: 2, says, side: 'source' });
  }
  await scene.must(['load', '-q', '-i', scene.archive]);
  for (const out of [`${folder}/nosuch/a.tar`, folder]) {
    expectFailure(await scene.run(['save', '-q', '-o', out, 'app:1']), {
      code: 2,
      says: /no such file or folder|is a folder/,
    });
  }
  assert.deepEqual(await readdir(folder), []);
});

test('references that are none', async (t) => {
  const { run, must, archive } = await prepare(t);
  await must(['load', '-q', '-i', archive]);
  for (const [reference, says] of [
    ['localhost:5000/Upper:1', /repository names are lower case/],
    ['a b', /invalid reference "a b"/],
    ['localhost:5000/app:-x', /what follows the last : is not a tag/],
    ['app@sha256:12', /what follows @ is not a digest/],
    ['localhost:99999999/app', /is not a host|invalid reference/],
    ['\u001b[31mred', /invalid reference/],
  ] as const) {
    for (const args of [
      ['push', reference],
      ['pull', reference],
      ['tag', 'app:1', reference],
    ]) {
      const result = await run(args);
      expectFailure(result, { code: 2, says });
      assert.doesNotMatch(result.stderr, /\u001b/);
    }
  }
});

test('configuration that does not parse is told without its text', async (t) => {
  const { run, knowPasswords, env, host, archive } = await prepare(t);
  await knowPasswords({});
  const file = path.join(env.DOCKER_CONFIG as string, 'config.json');
  for (const text of [
    '{"auths": {"x": {"auth": "c2VjcmV0OnNlY3JldA=="}}',
    '[]',
    '{"auths":{"a":1},"auths":{}}',
  ]) {
    await writeFile(file, text);
    const result = await run(['push', '--from', `docker-archive:${archive}`, `${host}/app:1`]);
    expectFailure(result, { code: 2, says: /config\.json/ });
    assert.doesNotMatch(result.stderr, /c2VjcmV0/);
  }
});

test('a home that cannot be used is told', async (t) => {
  const { program, archive } = { ...(await prepare(t)) };
  const file = await fileOf(t, 'file', Buffer.from('x'));
  for (const home of [file, `${file}/below`, '/sys/nosuch']) {
    const result = await program.run(['load', '-i', archive], { env: { SLIPWAY_HOME: home } });
    expectFailure(result, { code: 2, says: /slipway: / });
  }
});

test('a command line that nobody prepared for is no reason for a stack trace', async (t) => {
  const { run } = await prepareCommandLine(t);
  for (const args of [
    ['--'],
    ['push', '--'],
    ['-'],
    ['push', ''],
    ['load', '='],
    ['tag', '', ''],
  ]) {
    const { code, stderr } = await run(args);
    assert.notEqual(code, 0, args.join(' '));
    assert.notEqual(code, 1, `${args.join(' ')}: ${stderr}`);
    assert.doesNotMatch(stderr, /^ +at |this is a bug/m);
  }
});
