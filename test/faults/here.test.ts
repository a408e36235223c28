import assert from 'node:assert/strict';
import { mkdir, open, readdir, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { startRegistry } from '../../src/server/registry.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { blobFile } from '../rig/layouts.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';
import { LONG } from '../rig/long.ts';
import { missing } from '../rig/programs.ts';
import { skopeoCopy } from '../rig/skopeo.ts';
import { prepareSlipway } from '../rig/slipway.ts';
import { mountSmallDisk } from '../rig/small-disk.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { type Client, type Done, slipwayHere } from './clients.ts';
import { large } from './faults.ts';
import { held, makeImage, type TestImage } from './image.ts';
import { type Rule, startFaultProxy } from './proxy.ts';
import { BODY } from './row.ts';

const MIB = 1024 * 1024;
const ROUNDS = LONG ? 50 : 4;

let slipway: Client;

async function push(image: TestImage, to: string): Promise<Done> {
  return await slipway.publish({ from: { layout: image.layout }, to, limitMs: 30_000 });
}

before(async () => {
  const home = await tempDir(THIS_FILE);
  slipway = slipwayHere(home);
  process.env.DOCKER_CONFIG = home;
});

function largestFile({ layout, layers }: TestImage): string {
  const [largest] = layers;
  if (largest === undefined) throw new Error('an image without layers');
  return blobFile(layout, largest.digest);
}

async function embedded(owner: Owner): Promise<string> {
  const registry = await startRegistry();
  atEnd(owner, () => registry.close());
  return registry.host;
}

describe('content that is broken here', { skip: missing('tar') }, () => {
  it('is named, refused once, and leaves no upload open', async (t) => {
    const image = await makeImage(t);
    const file = await open(largestFile(image), 'r+');
    await file.write(Buffer.from([1, 2, 3, 4]), 0, 4, 10 * MIB);
    await file.close();
    const upstream = await embedded(t);
    const proxy = await startFaultProxy(t, upstream, []);
    const { exit, text } = await push(image, `${proxy.host}/team/broken:1`);
    assert.equal(exit, 17, text);
    assert.match(text, new RegExp(image.layers[0]?.digest ?? '-'));
    assert.equal(await held(upstream, 'team/broken', '1'), 'nothing');
    const sent = proxy.passed.reduce((sum, { bytes }) => sum + bytes, 0);
    assert.ok(sent <= image.layerBytes * 1.01, `${sent} bytes: it was tried again`);
    const cancelled = proxy.passed.filter(({ method }) => method === 'DELETE');
    assert.ok(cancelled.length > 0, 'the upload was left open');
  });

  it('is found when a file becomes shorter while it is sent', async (t) => {
    const image = await makeImage(t);
    const shorten: Rule = {
      ...BODY,
      times: 1,
      fault: large(async () => {
        await truncate(largestFile(image), 2 * MIB);
        return false;
      }),
    };
    const upstream = await embedded(t);
    const proxy = await startFaultProxy(t, upstream, [shorten]);
    const { exit, text } = await push(image, `${proxy.host}/team/shorter:1`);
    assert.equal(exit, 17, text);
    assert.match(text, /source/);
    assert.equal(await held(upstream, 'team/shorter', '1'), 'nothing');
  });
});

describe('a disk that is full here', { skip: missing('skopeo', 'tar', 'mount') }, () => {
  it('ends a push with what was to be written where, and no tag', async (t) => {
    const folder = await tempDir(t);
    const archive = path.join(folder, 'image.tar');
    const { layout } = await makeImage(t);
    await skopeoCopy(`oci:${layout}:1`, `docker-archive:${archive}:app:1`);
    const home = path.join(folder, 'home');
    await mkdir(home);
    const unmount = await mountSmallDisk(t, home, '5m');
    if (unmount === undefined) return;
    atEnd(t, unmount);
    const upstream = await embedded(t);
    const args = ['copy', `docker-archive:${archive}`, `docker://${upstream}/full/disk:1`];
    const { code, stderr } = await (await prepareSlipway(t)).run(args, {
      env: { SLIPWAY_HOME: home },
    });
    assert.equal(code, 13, stderr);
    assert.match(stderr, /no space/i);
    assert.ok(stderr.includes(home), stderr);
    assert.equal(await held(upstream, 'full/disk', '1'), 'nothing');
    // Layers that fitted may stay, for they are whole; what was written of the large one may not.
    const left = await readdir(home, { recursive: true, withFileTypes: true });
    const files = await Promise.all(
      left.filter((one) => one.isFile()).map((one) => stat(path.join(one.parentPath, one.name))),
    );
    assert.ok(files.reduce((sum, { size }) => sum + size, 0) < 2 * MIB, 'a spool was left behind');
  });
});

const absent = missing('docker-registry', 'tar');

for (const [name, start] of [
  ['docker-registry', async (owner: Owner) => (await startDockerRegistry(owner)).host],
  ['embedded', embedded],
] as const) {
  describe(`two at once before ${name}`, { skip: absent }, () => {
    let host: string;
    before(async () => {
      host = await start(THIS_FILE);
    });

    it('push one tag: both are done, and one of their images is whole under it', async (t) => {
      const images = [await makeImage(t, [MIB, 4096]), await makeImage(t, [MIB, 4096])] as const;
      for (let round = 0; round < ROUNDS; round++) {
        const to = `${host}/tag/${round}:1`;
        const both = await Promise.all(images.map((image) => push(image, to)));
        for (const { exit, text } of both) assert.equal(exit, 0, text);
        const digests: readonly string[] = images.map(({ root }) => root.digest);
        assert.ok(digests.includes(await held(host, `tag/${round}`, '1')));
      }
    });

    it('push one image: both are done, and it is whole', async (t) => {
      for (let round = 0; round < ROUNDS; round++) {
        const image = await makeImage(t, [4 * MIB, 4096]);
        const tags = ['1', '2'];
        const both = await Promise.all(
          tags.map((tag) => push(image, `${host}/blob/${round}:${tag}`)),
        );
        for (const { exit, text } of both) assert.equal(exit, 0, text);
        for (const tag of tags) {
          assert.equal(await held(host, `blob/${round}`, tag), image.root.digest);
        }
      }
    });
  });
}
