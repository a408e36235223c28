import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  announce,
  announcementOf,
  announcementTag,
  newWriterId,
} from '../../src/content/announcements.ts';
import { appendToIndex } from '../../src/content/index-append.ts';
import { readIndex } from '../../src/content/index-entries.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import type { Repository } from '../../src/registry/repository.ts';
import { putImage } from '../content/images.ts';
import { connect } from '../registry/clients.ts';
import { errors, type Quirk, startFakeRegistry } from '../registry/fake-registry.ts';
import type { Owner } from '../rig/lifetime.ts';
import { LONG } from '../rig/long.ts';

const ARCHITECTURES = 'amd64 arm64 ppc64le s390x riscv64 386'.split(' ');

/** What docker-registry does with a DELETE: a digest goes with its tags, a tag is refused. */
const deletes: Quirk = ({ method, url, registry: { manifests }, answer }) => {
  if (method !== 'DELETE') return false;
  const [, path = '', name = ''] = /^\/v2\/(.+?)\/manifests\/(.+)$/.exec(url.pathname) ?? [];
  const found = manifests.get(`${path}@${name}`);
  for (const [key, { bytes }] of [...manifests]) {
    if (found?.bytes.equals(bytes)) manifests.delete(key);
  }
  answer(found === undefined ? 404 : 202);
  return true;
};

async function start(owner: Owner, quirk: Quirk = () => false) {
  const fake = await startFakeRegistry(
    owner,
    async (call) => (await deletes(call)) === true || (await quirk(call)) === true,
  );
  const client = () => connect(owner, fake.host).repository;
  const repository = client();
  const images = await Promise.all(
    ARCHITECTURES.map((architecture) =>
      putImage(repository, { layers: [], platform: { os: 'linux', architecture } }),
    ),
  );
  return { fake, client, repository, images };
}

const digests = (entries: readonly Descriptor[]) => entries.map(({ digest }) => digest).toSorted();

async function inIndex(repository: Repository, tag: string): Promise<readonly string[]> {
  const { entries } = await readIndex(repository, tag);
  return digests(entries.map(({ descriptor }) => descriptor));
}

async function announcements(repository: Repository): Promise<readonly string[]> {
  const tags: string[] = [];
  for await (const tag of repository.list()) if (tag.includes('slipway-append')) tags.push(tag);
  return tags;
}

test('writers that are held up anywhere lose nothing', { timeout: 900_000 }, async (t) => {
  const holdUp: Quirk = async ({ what, url, serve, answer }) => {
    if (!/manifest|tags/.test(what)) return false;
    const wait = (mostMs: number) => sleep(Math.random() * mostMs);
    // An index that is put long after it was read is what makes others lose entries.
    const isLate = what === 'PUT manifest' && /round\d+$/.test(url.pathname);
    await wait(isLate && Math.random() < 0.3 ? 500 : 6);
    await serve((...answered) => void wait(6).then(() => answer(...answered)));
    return true;
  };
  const { client, repository, images } = await start(t, holdUp);
  for (let round = 0; round < (LONG ? 60 : 8); round++) {
    const tag = `round${round}`;
    await Promise.all(
      images.map(async (image) => {
        await sleep(Math.random() * 120);
        const { how } = await appendToIndex(client(), tag, [image]);
        assert.equal(how, 'announcements');
      }),
    );
    assert.deepEqual(await inIndex(repository, tag), digests(images), tag);
  }
  assert.deepEqual(await announcements(repository), []);
});

test('a registry that knows content by other names than digests is not trusted with conditions', async (t) => {
  const { repository, images } = await start(t, ({ request, method, answer }) => {
    if (method !== 'PUT' || request.headers['if-match'] === undefined) return false;
    answer(412, {}, errors('DENIED'));
    return true;
  });
  for (const image of images) await appendToIndex(repository, 'multi', [image]);
  assert.deepEqual(await inIndex(repository, 'multi'), digests(images));
  assert.deepEqual(await announcements(repository), []);
});

test('conditions that hold for what is there and not for what is absent are found out', async (t) => {
  const { client, repository, images } = await start(t, (call) => {
    const { request, method, url, registry, answer } = call;
    const wanted = request.headers['if-match'];
    if (method !== 'PUT' || wanted === undefined) return false;
    const [, path = '', name = ''] = /^\/v2\/(.+?)\/manifests\/(.+)$/.exec(url.pathname) ?? [];
    const held = registry.manifests.get(`${path}:${name}`);
    const digest = [...registry.manifests].find(
      ([key, { bytes }]) => key.includes('@') && held?.bytes.equals(bytes),
    )?.[0];
    if (digest !== undefined && wanted === `"${digest.split('@')[1]}"`) return false;
    answer(412, {}, errors('DENIED'));
    return true;
  });
  const [first, ...rest] = images as [Descriptor, ...Descriptor[]];
  assert.equal((await appendToIndex(repository, 'multi', [first])).how, 'announcements');
  const hows = await Promise.all(
    rest.map(async (image) => (await appendToIndex(client(), 'multi', [image])).how),
  );
  assert.deepEqual([...new Set(hows)], ['conditions']);
  assert.deepEqual(await inIndex(repository, 'multi'), digests(images));
});

test('what a killed writer announced gets in, and its tag goes an hour later', async (t) => {
  const { repository, images } = await start(t);
  const [killed, second, third] = images as [Descriptor, Descriptor, Descriptor];
  const kill = async (id: string) => {
    await announce(
      repository,
      announcementTag('multi', id),
      announcementOf(id, 'active', [killed]),
    );
  };
  await kill(newWriterId());
  await appendToIndex(repository, 'multi', [second], { patienceMs: 50 });
  assert.deepEqual(await inIndex(repository, 'multi'), digests([killed, second]));
  // It may still be at work: nothing is cleaned up.
  assert.equal((await announcements(repository)).length, 2);

  const old = await start(t);
  const hourAgo = Math.floor(Date.now() / 1000 - 4_000).toString(16);
  const id = `${hourAgo}-0123456789ab`;
  await announce(
    old.repository,
    announcementTag('multi', id),
    announcementOf(id, 'active', [killed]),
  );
  await appendToIndex(old.repository, 'multi', [third], { patienceMs: 50 });
  assert.deepEqual(await inIndex(old.repository, 'multi'), digests([killed, third]));
  assert.deepEqual(await announcements(old.repository), []);
});

test('an image of the same platform gives way, and what is there stays as it is', async (t) => {
  const { repository, images } = await start(t);
  const [amd64, arm64] = images as [Descriptor, Descriptor];
  await appendToIndex(repository, 'multi', [amd64, arm64]);
  const before = await readIndex(repository, 'multi');
  const again = await appendToIndex(repository, 'multi', [amd64]);
  assert.equal(again.root.digest, before.root?.digest);
  const newer = await putImage(repository, {
    layers: [],
    platform: { os: 'linux', architecture: 'amd64' },
    config: { author: 'newer' },
  });
  const { entries } = await appendToIndex(repository, 'multi', [newer]);
  assert.deepEqual(digests(entries), digests([arm64, newer]));
});

test('a single image becomes the first entry', async (t) => {
  const { repository, images } = await start(t);
  const [amd64, arm64] = images as [Descriptor, Descriptor];
  await repository.tag(amd64, '1', (offset) => repository.fetch(amd64, { offset }));
  const { entries } = await appendToIndex(repository, '1', [arm64]);
  assert.deepEqual(digests(entries), digests([amd64, arm64]));
  assert.deepEqual(entries[0]?.platform, { os: 'linux', architecture: 'amd64' });
});

test("somebody else's tag that looks like an announcement is left alone", async (t) => {
  const { repository, images } = await start(t);
  const [amd64, arm64] = images as [Descriptor, Descriptor];
  const theirs = announcementTag('multi', '00000000-0123456789ab');
  await repository.tag(amd64, theirs, (offset) => repository.fetch(amd64, { offset }));
  await appendToIndex(repository, 'multi', [arm64]);
  assert.deepEqual(await announcements(repository), [theirs]);
  assert.deepEqual(await inIndex(repository, 'multi'), digests([arm64]));
});
