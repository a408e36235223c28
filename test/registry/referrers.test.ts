import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { fromMemory } from '../../src/bytes/stream.ts';
import { type Descriptor, describe } from '../../src/oci/descriptor.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { fallbackTag } from '../../src/registry/fallback-tag.ts';
import type { Repository } from '../../src/registry/repository.ts';
import { testRegistry } from '../content/places.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import type { Owner } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';
import { blobOf, connect, manifestOf, type Piece } from './clients.ts';
import { type Quirk, startFakeRegistry } from './fake-registry.ts';

const CONFIG = blobOf(2, '{}');

/** A manifest that belongs to another one. */
function belongingTo(subject: Descriptor, note: string): Piece {
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    artifactType: 'application/vnd.example.note',
    config: { ...CONFIG.descriptor, mediaType: MEDIA_TYPE.ociEmpty },
    layers: [],
    subject,
    annotations: { note },
  };
  const bytes = Buffer.from(JSON.stringify(document));
  return {
    descriptor: describe(bytes, MEDIA_TYPE.ociManifest),
    bytes,
    open: (offset) => fromMemory(bytes, offset),
  };
}

async function publishImage(repository: Repository): Promise<Descriptor> {
  const manifest = manifestOf(CONFIG, 'the image');
  await repository.push(CONFIG.descriptor, CONFIG.open);
  await repository.tag(manifest.descriptor, '1', manifest.open);
  return manifest.descriptor;
}

const places: readonly [string, (owner: Owner) => Promise<Repository>, boolean][] = [
  [
    'the embedded registry',
    async (owner) => (await testRegistry(owner)).repository('team/app'),
    true,
  ],
  [
    'docker-registry, which has no API for it',
    async (owner) => connect(owner, (await startDockerRegistry(owner)).host).repository,
    false,
  ],
];

for (const [name, open, hasApi] of places) {
  suite(name, { skip: name.startsWith('docker') && missing('docker-registry') }, () => {
    test('what is pushed with a subject is found by it', async (t) => {
      const repository = await open(t);
      const image = await publishImage(repository);
      assert.deepEqual(await repository.referrers(image.digest), []);
      const notes = ['a', 'b', 'c'].map((note) => belongingTo(image, note));
      // Side by side: one fallback tag has to take them all.
      await Promise.all(notes.map((note) => repository.push(note.descriptor, note.open)));
      const found = await repository.referrers(image.digest);
      assert.deepEqual(
        found.map(({ digest }) => digest).toSorted(),
        notes.map(({ descriptor }) => descriptor.digest).toSorted(),
      );
      for (const { artifactType, annotations } of found) {
        assert.equal(artifactType, 'application/vnd.example.note');
        assert.match(annotations?.note ?? '', /^[abc]$/);
      }
    });

    test(`a fallback tag is ${hasApi ? 'not made' : 'made, once for each'}`, async (t) => {
      const repository = await open(t);
      const image = await publishImage(repository);
      const note = belongingTo(image, 'a');
      for (let times = 0; times < 2; times++) await repository.push(note.descriptor, note.open);
      const tag = fallbackTag(image.digest);
      if (hasApi) await assert.rejects(repository.resolve(tag), { code: 'NOT_FOUND' });
      else assert.equal((await repository.resolve(tag)).mediaType, MEDIA_TYPE.ociIndex);
      assert.equal((await repository.referrers(image.digest)).length, 1);
    });
  });
}

async function tagsOf(repository: Repository): Promise<string[]> {
  const tags: string[] = [];
  for await (const tag of repository.list()) tags.push(tag);
  return tags;
}

for (const [canDelete, writers] of [
  [true, 10],
  [false, 4],
] as const) {
  test(`${writers} at once who know nothing of each other lose none, deletes ${canDelete ? 'allowed' : 'refused'}`, {
    skip: missing('docker-registry'),
  }, async (t) => {
    const { host } = await startDockerRegistry(t, { canDelete });
    const { repository } = connect(t, host);
    const image = await publishImage(repository);
    const notes = Array.from({ length: writers }, (_, at) => belongingTo(image, `${at}`));
    await Promise.all(
      notes.map(({ descriptor, open }) => connect(t, host).repository.push(descriptor, open)),
    );
    const found = await repository.referrers(image.digest);
    assert.deepEqual(
      found.map(({ digest }) => digest).toSorted(),
      notes.map(({ descriptor }) => descriptor.digest).toSorted(),
    );
  });

  test(`attaching leaves ${canDelete ? 'only the fallback tag' : 'one empty tag where nothing can be deleted, once, and says so'}`, {
    skip: missing('docker-registry'),
  }, async (t) => {
    const { host } = await startDockerRegistry(t, { canDelete });
    const { repository, events } = connect(t, host);
    const image = await publishImage(repository);
    for (const name of ['a', 'b', 'c']) {
      const note = belongingTo(image, name);
      await repository.push(note.descriptor, note.open);
    }
    assert.equal((await repository.referrers(image.digest)).length, 3);
    const own = new Set(['1', fallbackTag(image.digest)]);
    const left = (await tagsOf(repository)).filter((tag) => !own.has(tag));
    assert.equal(left.length, canDelete ? 0 : 1);
    for (const tag of left) assert.ok(JSON.stringify(events).includes(tag), 'nobody was told');
  });
}

/** Answers the API's path. */
function api(pages: (url: URL) => { headers?: Record<string, string>; body: unknown }): Quirk {
  return ({ url, answer }) => {
    if (!url.pathname.includes('/referrers/')) return false;
    const { headers, body } = pages(url);
    answer(200, { 'content-type': MEDIA_TYPE.ociIndex, ...headers }, body);
    return true;
  };
}

const index = (manifests: readonly unknown[]) => ({
  schemaVersion: 2,
  mediaType: MEDIA_TYPE.ociIndex,
  manifests,
});

test('pages are followed, and each digest comes once', async (t) => {
  const image = manifestOf(CONFIG, 'the image').descriptor;
  const [a, b] = ['a', 'b'].map((note) => belongingTo(image, note).descriptor);
  const fake = await startFakeRegistry(
    t,
    api((url) =>
      url.searchParams.has('last')
        ? { body: index([b, a]) }
        : { body: index([a]), headers: { link: `<${url.pathname}?last=a>; rel="next"` } },
    ),
  );
  const found = await connect(t, fake.host).repository.referrers(image.digest);
  assert.deepEqual(found, [a, b]);
});

test('pages that go on for ever, or lead elsewhere, are an error', async (t) => {
  const image = manifestOf(CONFIG, 'the image').descriptor;
  for (const link of ['?', 'http://127.0.0.1:1/v2/x', '/elsewhere']) {
    const fake = await startFakeRegistry(
      t,
      api(() => ({ body: index([]), headers: { link: `<${link}>; rel="next"` } })),
    );
    await assert.rejects(connect(t, fake.host).repository.referrers(image.digest), {
      code: 'NOT_A_REGISTRY',
    });
  }
});

test('more than any honest image has are an error', async (t) => {
  const image = manifestOf(CONFIG, 'the image').descriptor;
  let page = 0;
  const fake = await startFakeRegistry(
    t,
    api((url) => ({
      body: index(Array(2_000).fill(image)),
      headers: { link: `<${url.pathname}?last=${page++}>; rel="next"` },
    })),
  );
  await assert.rejects(connect(t, fake.host).repository.referrers(image.digest), {
    code: 'LIMIT_EXCEEDED',
  });
  assert.ok(page < 10);
});

test('a registry that wants a login for a path that it does not know has no API', async (t) => {
  const fake = await startFakeRegistry(t, ({ url, answer }) => {
    if (!url.pathname.includes('/referrers/')) return false;
    answer(401);
    return true;
  });
  const { repository } = connect(t, fake.host);
  const image = await publishImage(repository);
  const note = belongingTo(image, 'a');
  await repository.push(note.descriptor, note.open);
  const found = await repository.referrers(image.digest);
  assert.deepEqual(
    found.map(({ digest }) => digest),
    [note.descriptor.digest],
  );
});
