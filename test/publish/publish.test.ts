import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { graphOf, walk } from '../../src/content/graph.ts';
import type { Target } from '../../src/content/transport.ts';
import { SlipwayError } from '../../src/errors.ts';
import type { Layout } from '../../src/layout/layout.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { digestHex } from '../../src/oci/digest.ts';
import { publish } from '../../src/publish/publish.ts';
import type { Repository } from '../../src/registry/repository.ts';
import { bytesOf, putImage, putIndex } from '../content/images.ts';
import { freshLayout, type TestRegistry, testRegistry } from '../content/places.ts';
import { at, tagsOf } from './tags-of.ts';

const image = (layout: Layout, name: string, size = 2_000) =>
  putImage(layout, { layers: [bytesOf(`layer of ${name}`, size), bytesOf('shared', 1_000)] });

const sizeOf = async (layout: Layout, root: Descriptor) => {
  const { blobs, manifests } = await walk(layout, root);
  return [...blobs, ...manifests.map((node) => node.descriptor)].reduce(
    (sum, { size }) => sum + size,
    0,
  );
};

const isTagPut = ({ requests }: TestRegistry) =>
  requests.map(({ method, path }) => method === 'PUT' && /\/manifests\/(?!sha256:)/.test(path));

test('no tag moves before all content of all images is everywhere', async (t) => {
  const layout = await freshLayout(t);
  const test = await testRegistry(t);
  const [app, worker] = [await image(layout, 'app'), await image(layout, 'worker', 400_000)];
  const index = await putIndex(layout, [app]);
  const { error, destinations } = await publish({
    images: [
      {
        graph: graphOf(layout, index, 'app'),
        destinations: [at(test.repository('app'), '1', '1.0', 'latest')],
      },
      {
        graph: graphOf(layout, worker, 'worker'),
        destinations: [at(test.repository('worker'), '1')],
      },
    ],
  });
  assert.equal(error, undefined);
  const tagPuts = isTagPut(test);
  const blobPuts = test.requests.map(
    ({ method, path }) => method === 'PUT' && /\/blobs\//.test(path),
  );
  // Those of the index, which have a repository for themselves, go in one request by its digest.
  assert.equal(tagPuts.filter(Boolean).length, 1);
  const byDigest = test.requests.filter(
    ({ method, path }) => method === 'PUT' && path.endsWith(`/app/manifests/${index.digest}`),
  );
  assert.equal(byDigest.length, 2);
  assert.ok(blobPuts.lastIndexOf(true) < tagPuts.indexOf(true), 'tags come last');
  assert.deepEqual(
    destinations.map(({ status, tags }) => ({ status, tags })),
    [
      { status: 'published', tags: ['1', '1.0', 'latest'] },
      { status: 'published', tags: ['1'] },
    ],
  );
  assert.deepEqual(await tagsOf(test.repository('app')), {
    '1': index.digest,
    '1.0': index.digest,
    latest: index.digest,
  });
});

test('a destination that fails moves no tag anywhere, and says who was held', async (t) => {
  const layout = await freshLayout(t);
  const good = await testRegistry(t);
  const bad = await testRegistry(t, { readOnly: true });
  const root = await image(layout, 'app');
  const old = await image(layout, 'old');
  const graph = graphOf(layout, root, 'app');
  const repository = good.repository('app');
  await publish({
    images: [{ graph: graphOf(layout, old, 'old'), destinations: [at(repository, '1')] }],
  });
  const { error, destinations } = await publish({
    images: [{ graph, destinations: [at(repository, '1', '2'), at(bad.repository('app'), '1')] }],
  });
  assert.equal(error?.code, 'UNSUPPORTED');
  assert.equal(error?.facts.side, 'destination');
  const [held, failed] = destinations;
  assert.equal(held?.status, 'held');
  assert.deepEqual(held?.tags, []);
  assert.equal(failed?.status, 'failed');
  assert.deepEqual(failed?.tags, []);
  assert.equal(failed?.error?.code, 'UNSUPPORTED');
  assert.deepEqual(await tagsOf(repository), { '1': old.digest });
});

test('a name that is refused puts all names back that moved', async (t) => {
  const layout = await freshLayout(t);
  const { repository } = await testRegistry(t);
  const old = await image(layout, 'old');
  await publish({
    images: [{ graph: graphOf(layout, old, 'old'), destinations: [at(repository('app'), '1')] }],
  });
  const immutable = await freshLayout(t);
  const root = await image(layout, 'app');
  const target: Target = {
    ...immutable,
    async tag(descriptor, name, open) {
      if (name === 'fixed') throw new SlipwayError('TAG_IMMUTABLE', 'it may not move');
      await immutable.tag(descriptor, name, open);
    },
  };
  const { error, destinations } = await publish({
    images: [
      {
        graph: graphOf(layout, root, 'app'),
        destinations: [at(repository('app'), '1'), { target, names: ['free', 'fixed', 'next'] }],
      },
    ],
  });
  assert.equal(error?.code, 'TAG_IMMUTABLE');
  assert.equal(error?.message, 'it may not move');
  assert.equal(error?.facts.side, 'destination');
  assert.deepEqual(
    destinations.map(({ status, tags }) => ({ status, tags })),
    [
      { status: 'held', tags: [] },
      { status: 'failed', tags: [] },
    ],
  );
  assert.deepEqual(await tagsOf(repository('app')), { '1': old.digest });
  await assert.rejects(immutable.resolve('free'), { code: 'NOT_FOUND' });
});

test('what is there costs one request a tag, and is told as present', async (t) => {
  const layout = await freshLayout(t);
  const test = await testRegistry(t);
  const root = await image(layout, 'app');
  const publication = {
    images: [
      {
        graph: graphOf(layout, root, 'app'),
        destinations: [at(test.repository('app'), '1', '2', '3')],
      },
    ],
  };
  const first = await publish(publication);
  assert.equal(first.destinations[0]?.bytesSent, (await sizeOf(layout, root)) + 3 * root.size);
  assert.equal(first.destinations[0]?.requests, test.requests.length);
  test.requests.length = 0;
  const { destinations } = await publish(publication);
  assert.deepEqual(test.lines(), [
    'HEAD /v2/app/manifests/1',
    'HEAD /v2/app/manifests/2',
    'HEAD /v2/app/manifests/3',
  ]);
  const { status, bytesSent, bytesMounted, bytesPresent, requests, tags } = destinations[0] ?? {};
  assert.deepEqual(
    { status, bytesSent, bytesMounted, bytesPresent, requests, tags },
    {
      status: 'present',
      bytesSent: 0,
      bytesMounted: 0,
      bytesPresent: root.size,
      requests: 3,
      tags: ['1', '2', '3'],
    },
  );
});

test('a new tag on what is there sends the manifest alone', async (t) => {
  const layout = await freshLayout(t);
  const { repository } = await testRegistry(t);
  const root = await image(layout, 'app');
  const graph = graphOf(layout, root, 'app');
  await publish({ images: [{ graph, destinations: [at(repository('app'), '1')] }] });
  const { destinations } = await publish({
    images: [{ graph, destinations: [at(repository('app'), '1', '2')] }],
  });
  assert.equal(destinations[0]?.status, 'published');
  assert.equal(destinations[0]?.bytesSent, root.size);
});

test('the second repository of a host mounts what the first one got', async (t) => {
  const layout = await freshLayout(t);
  const test = await testRegistry(t);
  const root = await image(layout, 'app');
  await publish({
    images: [
      { graph: graphOf(layout, root, 'app'), destinations: [at(test.repository('one'), '1')] },
    ],
  });
  const from = test.repository('one');
  const graph = { ...graphOf(from, root, 'one'), from: from.repository };
  const { destinations } = await publish({
    images: [{ graph, destinations: [at(test.repository('two'), '1')] }],
  });
  const { bytesSent, bytesMounted, bytesPresent } = destinations[0] ?? {};
  assert.equal(bytesSent, root.size);
  assert.equal(bytesMounted, (await sizeOf(layout, root)) - root.size);
  assert.equal(bytesPresent, 0);
});

test('numbers of images that share a repository add up', async (t) => {
  const layout = await freshLayout(t);
  const test = await testRegistry(t);
  const images = [];
  for (const name of ['one', 'two', 'three']) {
    const graph = graphOf(layout, await image(layout, name), name);
    images.push({ graph, destinations: [at(test.repository('app'), name)] });
  }
  const { destinations } = await publish({ images });
  const sum = (pick: (each: (typeof destinations)[number]) => number) =>
    destinations.reduce((total, each) => total + pick(each), 0);
  assert.equal(
    sum(({ requests }) => requests),
    test.requests.length,
  );
  // Each image has the shared layer, which only the first one sends.
  for (const [place, { bytesSent, bytesPresent, digest }] of destinations.entries()) {
    const root = await layout.resolve(digest as string);
    // The manifest goes there by its digest first, and under its tag when all content is there.
    assert.equal(bytesSent + bytesPresent, (await sizeOf(layout, root)) + root.size);
    assert.equal(bytesPresent > 0, place > 0);
  }
});

test('a layout that lost a blob since is mended by the same publication', async (t) => {
  const layout = await freshLayout(t);
  const root = await image(layout, 'app');
  for (const lost of [...(await walk(layout, root)).blobs, root]) {
    const to = await freshLayout(t);
    const publication = {
      images: [
        { graph: graphOf(layout, root, 'app'), destinations: [{ target: to, names: ['app'] }] },
      ],
    };
    await publish(publication);
    await rm(path.join(to.dir, 'blobs/sha256', digestHex(lost.digest)));
    assert.equal(await to.exists(root), false);
    const { destinations, error } = await publish(publication);
    assert.equal(error, undefined);
    assert.equal(destinations[0]?.status, 'published');
    assert.equal(await to.exists(root), true);
  }
});

test('an image without a name is kept by a layout', async (t) => {
  const layout = await freshLayout(t);
  const to = await freshLayout(t);
  const root = await image(layout, 'app');
  await publish({
    images: [{ graph: graphOf(layout, root, 'app'), destinations: [{ target: to, names: [] }] }],
  });
  await to.prune();
  assert.equal(await to.exists(root), true);
  assert.deepEqual(
    (await to.entries()).map(({ digest }) => digest),
    [root.digest],
  );
});

test('an abort is thrown as it is, and moves no tag', async (t) => {
  const layout = await freshLayout(t);
  const { repository } = await testRegistry(t);
  const root = await image(layout, 'app', 3_000_000);
  const stopping = new AbortController();
  const reason = new Error('enough');
  await assert.rejects(
    publish(
      {
        images: [
          { graph: graphOf(layout, root, 'app'), destinations: [at(repository('app'), '1')] },
        ],
      },
      {
        signal: stopping.signal,
        emit: (event) => {
          if (event.type === 'transfer.progress') stopping.abort(reason);
        },
      },
    ),
    reason,
  );
  assert.deepEqual(await tagsOf(repository('app')), {});
});

test('a place that lets nobody look may still be pushed to', async (t) => {
  const layout = await freshLayout(t);
  const root = await image(layout, 'app');
  const { repository } = await testRegistry(t);
  const open = repository('app');
  const target: Target & { resolve: Repository['resolve'] } = {
    name: open.name,
    exists: open.exists,
    push: open.push,
    tag: open.tag,
    resolve: async () => {
      throw new SlipwayError('DENIED', 'you may not look');
    },
  };
  const { error } = await publish({
    images: [
      { graph: graphOf(layout, root, 'app'), destinations: [{ target, names: ['1'], host: 'h' }] },
    ],
  });
  assert.equal(error, undefined);
  assert.deepEqual(await tagsOf(open), { '1': root.digest });
});
