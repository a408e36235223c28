import assert from 'node:assert/strict';
import { test } from 'node:test';
import { graphOf, walk } from '../../src/content/graph.ts';
import type { Fetcher } from '../../src/content/transport.ts';
import type { SlipwayEvent } from '../../src/events.ts';
import type { Layout } from '../../src/layout/layout.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import type { Digest } from '../../src/oci/digest.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { publish } from '../../src/publish/publish.ts';
import { openHints } from '../../src/state/hints.ts';
import { createMovedTags, type MovedTags } from '../../src/state/moved-tags.ts';
import { bytesOf, putImage, putIndex } from '../content/images.ts';
import { freshLayout, testRegistry } from '../content/places.ts';
import { tempDir } from '../rig/lifetime.ts';
import { type Answer, startRecorder } from '../rig/recorder.ts';
import { at, tagsOf } from './tags-of.ts';

const NAMES = ['api', 'web', 'worker', 'cron', 'admin'];

const image = (layout: Layout, name: string, size = 2_000) =>
  putImage(layout, { layers: [bytesOf('shared base', 50_000), bytesOf(`layer of ${name}`, size)] });

/** Images under their names, each in a repository of its own. */
async function releaseOf(layout: Layout, version: string) {
  const images: { name: string; root: Descriptor }[] = [];
  for (const name of NAMES) images.push({ name, root: await image(layout, `${name} ${version}`) });
  return images;
}

/** A registry behind a proxy that may answer for it. */
async function behindProxy(
  t: Parameters<typeof testRegistry>[0],
  answer: Answer,
  instead?: Answer,
) {
  const direct = await testRegistry(t);
  const recorder = await startRecorder(t, direct.registry.host, answer, instead);
  const repository = (name: string) =>
    direct.registries.repository(parseRepository(`${recorder.host}/${name}`));
  return { direct, recorder, repository };
}

/** A source that counts what is read of each blob. */
function counting(layout: Layout): Fetcher & { readonly read: Map<string, number> } {
  const read = new Map<string, number>();
  return {
    read,
    async *fetch(descriptor, options) {
      for await (const chunk of layout.fetch(descriptor, options)) {
        read.set(descriptor.digest, (read.get(descriptor.digest) ?? 0) + chunk.byteLength);
        yield chunk;
      }
    },
  };
}

const DENIED = { errors: [{ code: 'DENIED', message: 'not this one' }] };

test('a release whose last tag is refused leaves every tag where it was', async (t) => {
  const layout = await freshLayout(t);
  const refused = /^\/v2\/admin\/manifests\/stable/;
  let isRefusing = false;
  const { repository, recorder } = await behindProxy(t, ({ method, path }) =>
    isRefusing && method === 'PUT' && refused.test(path)
      ? { status: 403, body: DENIED }
      : undefined,
  );
  const release = async (version: string) =>
    publish({
      images: (await releaseOf(layout, version)).map(({ name, root }) => ({
        graph: graphOf(layout, root, name),
        destinations: [at(repository(name), 'stable')],
      })),
    });
  assert.equal((await release('1')).error, undefined);
  const before = await Promise.all(NAMES.map((name) => tagsOf(repository(name))));

  isRefusing = true;
  recorder.clear();
  const { error, destinations } = await release('2');
  assert.equal(error?.code, 'DENIED');
  assert.deepEqual(
    destinations.map(({ status }) => status),
    ['held', 'held', 'held', 'held', 'failed'],
  );
  const tagPuts = recorder.requests.filter(
    ({ method, path }) => method === 'PUT' && path.endsWith('/manifests/stable'),
  );
  assert.ok(tagPuts.length > 1, 'other tags had moved');
  const after = await Promise.all(NAMES.map((name) => tagsOf(repository(name))));
  assert.deepEqual(after, before);
});

test('a release that was killed leaves a way back for the next one that fails', async (t) => {
  const layout = await freshLayout(t);
  let isRefusing = false;
  const { repository } = await behindProxy(t, ({ method, path }) =>
    isRefusing && method === 'PUT' && path.endsWith('/b/manifests/1')
      ? { status: 403, body: DENIED }
      : undefined,
  );
  const hints = openHints(await tempDir(t));
  t.after(() => hints.close());
  const movedTags = createMovedTags(hints);
  const [old, next, last] = [
    await image(layout, 'old'),
    await image(layout, 'next'),
    await image(layout, 'last'),
  ];
  const push = (root: Descriptor, table: MovedTags) =>
    publish(
      {
        images: ['a', 'b'].map((name) => ({
          graph: graphOf(layout, root, name),
          destinations: [at(repository(name), '1')],
        })),
      },
      { movedTags: table },
    );
  await push(old, movedTags);
  // Killed after the tags moved: nothing is forgotten.
  await push(next, { ...movedTags, forget: () => {} });
  isRefusing = true;
  const { error } = await push(last, movedTags);
  assert.equal(error?.code, 'DENIED');
  assert.deepEqual(await tagsOf(repository('a')), { '1': old.digest });
  assert.deepEqual(await tagsOf(repository('b')), { '1': next.digest });
});

test('repositories of a host get a shared layer once and mount it', async (t) => {
  const layout = await freshLayout(t);
  const { repository, requests } = await testRegistry(t);
  const release = await releaseOf(layout, '1');
  const events: SlipwayEvent[] = [];
  const { error, destinations } = await publish(
    {
      images: release.map(({ name, root }) => ({
        graph: graphOf(layout, root, name),
        destinations: [at(repository(name), '1')],
      })),
    },
    { emit: (event) => events.push(event) },
  );
  assert.equal(error, undefined);
  const [base] = (await walk(layout, (release[0] as { root: Descriptor }).root)).blobs.slice(1);
  const ends = events.filter(
    (event) => event.type === 'transfer.done' && event.digest === base?.digest,
  );
  const statuses = ends.map((event) => (event.type === 'transfer.done' ? event.status : ''));
  assert.deepEqual(statuses.toSorted(), ['mounted', 'mounted', 'mounted', 'mounted', 'uploaded']);
  assert.equal(destinations.filter(({ bytesMounted }) => bytesMounted > 0).length, 4);
  const lastBlob = requests.findLastIndex(
    ({ path, method }) => method !== 'HEAD' && /\/blobs\//.test(path),
  );
  const firstManifest = requests.findIndex(
    ({ path, method }) => method === 'PUT' && /\/manifests\//.test(path),
  );
  assert.ok(lastBlob < firstManifest, 'all blobs of all images come before the first manifest');
  const isTag = ({ method, path }: (typeof requests)[number]) =>
    method === 'PUT' && /\/manifests\/1$/.test(path);
  assert.deepEqual(requests.slice(-5).map(isTag), Array(5).fill(true));
});

test('two registries in one run read every byte of the source once', async (t) => {
  const layout = await freshLayout(t);
  const one = await testRegistry(t);
  const two = await testRegistry(t);
  const root = await putImage(layout, {
    layers: [bytesOf('large', 9_000_000), bytesOf('other', 3_000_000), bytesOf('small', 1_000)],
  });
  const source = counting(layout);
  const { error, bytesRead } = await publish({
    images: [
      {
        graph: graphOf(source, root, 'app'),
        destinations: [at(one.repository('app'), '1'), at(two.repository('app'), '1')],
      },
    ],
  });
  assert.equal(error, undefined);
  const { blobs } = await walk(layout, root);
  for (const { digest, size } of blobs) assert.equal(source.read.get(digest), size);
  assert.equal(
    bytesRead,
    blobs.reduce((sum, { size }) => sum + size, 0),
  );
  assert.deepEqual(await tagsOf(one.repository('app')), { '1': root.digest });
  assert.deepEqual(await tagsOf(two.repository('app')), { '1': root.digest });
});

test('--require lets a registry fail: any, a number, all', async (t) => {
  const layout = await freshLayout(t);
  const root = await image(layout, 'app');
  for (const [require, expected, code] of [
    ['any', ['published', 'failed', 'published'], 'PARTIAL'],
    [2, ['published', 'failed', 'published'], 'PARTIAL'],
    [3, ['held', 'failed', 'held'], 'UNSUPPORTED'],
    ['all', ['held', 'failed', 'held'], 'UNSUPPORTED'],
  ] as const) {
    const [one, bad, two] = [
      await testRegistry(t),
      await testRegistry(t, { readOnly: true }),
      await testRegistry(t),
    ];
    const { destinations, error } = await publish(
      {
        images: [
          {
            graph: graphOf(layout, root, 'app'),
            destinations: [one, bad, two].map(({ repository }) => at(repository('app'), '1')),
          },
        ],
      },
      { require },
    );
    assert.equal(error?.code, code);
    assert.deepEqual(
      destinations.map(({ status }) => status),
      expected,
    );
    const there = code === 'PARTIAL' ? { '1': root.digest } : {};
    for (const { repository } of [one, two])
      assert.deepEqual(await tagsOf(repository('app')), there);
  }
  const { repository } = await testRegistry(t);
  const publication = {
    images: [{ graph: graphOf(layout, root, 'app'), destinations: [at(repository('app'), '1')] }],
  };
  await assert.rejects(publish(publication, { require: 2 }), { code: 'USAGE' });
});

test('a condition that does not hold sends nothing; one that breaks late moves nothing', async (t) => {
  const layout = await freshLayout(t);
  const { repository, requests } = await testRegistry(t);
  const [old, ours] = [await image(layout, 'old'), await image(layout, 'ours')];
  const push = (
    root: Descriptor,
    condition?: { kind: 'absent' } | { kind: 'digest'; digest: Digest },
  ) =>
    publish(
      {
        images: [
          { graph: graphOf(layout, root, 'it'), destinations: [at(repository('app'), '1')] },
        ],
      },
      condition === undefined ? {} : { condition },
    );
  assert.equal((await push(old, { kind: 'absent' })).error, undefined);
  assert.equal((await push(old, { kind: 'absent' })).destinations[0]?.status, 'present');
  requests.length = 0;
  const taken = await push(ours, { kind: 'absent' });
  assert.equal(taken.error?.code, 'CONDITION_FAILED');
  assert.match(taken.error?.message ?? '', new RegExp(`${old.digest}.*${ours.digest}`));
  const other = await push(ours, { kind: 'digest', digest: ours.digest });
  assert.equal(other.error?.code, 'CONDITION_FAILED');
  assert.ok(requests.every(({ method }) => method === 'HEAD' || method === 'GET'));
  assert.equal((await push(ours, { kind: 'digest', digest: old.digest })).error, undefined);
  assert.deepEqual(await tagsOf(repository('app')), { '1': ours.digest });
});

test('a tag that somebody takes in the last moment is refused by the registry', async (t) => {
  const layout = await freshLayout(t);
  const [theirs, ours] = [await image(layout, 'theirs'), await image(layout, 'ours')];
  let looks = 0;
  // The proxy hides the tag from every look, so that only the conditional PUT can tell.
  const { direct, repository } = await behindProxy(t, ({ method, path }) =>
    path.endsWith('/manifests/1') && method === 'HEAD' && looks++ < 2 ? { status: 404 } : undefined,
  );
  await publish({
    images: [
      { graph: graphOf(layout, theirs, 'it'), destinations: [at(direct.repository('app'), '1')] },
    ],
  });
  const { error } = await publish(
    {
      images: [{ graph: graphOf(layout, ours, 'it'), destinations: [at(repository('app'), '1')] }],
    },
    { condition: { kind: 'absent' } },
  );
  assert.equal(error?.code, 'CONDITION_FAILED');
  assert.match(error?.message ?? '', new RegExp(`${theirs.digest}.*${ours.digest}`));
  assert.deepEqual(await tagsOf(direct.repository('app')), { '1': theirs.digest });
});

test('a blob that a registry wrongly says it has is sent when the manifest is refused', async (t) => {
  const layout = await freshLayout(t);
  const root = await image(layout, 'app');
  const layer = (await walk(layout, root)).blobs[2] as Descriptor;
  let lies = 1;
  const { direct, repository } = await behindProxy(t, ({ method, path }) =>
    method === 'HEAD' && path.endsWith(layer.digest) && lies-- > 0 ? { status: 200 } : undefined,
  );
  const events: SlipwayEvent[] = [];
  const { error } = await publish(
    {
      images: [{ graph: graphOf(layout, root, 'it'), destinations: [at(repository('app'), '1')] }],
    },
    { emit: (event) => events.push(event) },
  );
  assert.equal(error, undefined);
  assert.equal(await direct.repository('app').exists(layer), true);
  const why = events.flatMap((event) =>
    event.type === 'transfer.done' && event.digest === layer.digest
      ? [event.status, event.reason]
      : [],
  );
  assert.deepEqual(why, ['present', undefined, 'uploaded', 'lost']);
});

test('a platform whose content is nowhere is found before anything is sent', async (t) => {
  const layout = await freshLayout(t);
  const amd64 = await image(layout, 'amd64');
  const arm64 = await putImage(layout, {
    layers: [bytesOf('arm64', 100)],
    platform: { os: 'linux', architecture: 'arm64' },
  });
  const root = await putIndex(layout, [amd64, arm64]);
  const lost = (await walk(layout, arm64)).blobs[1] as Descriptor;
  await layout.removeBlob(lost.digest);
  const { repository, requests } = await testRegistry(t);
  const { error } = await publish({
    images: [{ graph: graphOf(layout, root, 'it'), destinations: [at(repository('app'), '1')] }],
  });
  assert.equal(error?.code, 'CONTENT_MISSING');
  assert.equal(error?.facts.digest, lost.digest);
  assert.match(error?.hint ?? '', /--platform linux\/amd64$/);
  assert.ok(requests.every(({ method }) => method === 'HEAD'));
});

test('an abort while tags move puts back those that did, within two seconds', async (t) => {
  const layout = await freshLayout(t);
  const { repository } = await testRegistry(t);
  const push = async (version: string, stopping?: AbortController) => {
    const release = await releaseOf(layout, version);
    return await publish(
      {
        images: release.map(({ name, root }) => ({
          graph: graphOf(layout, root, name),
          destinations: [at(repository(name), 'stable')],
        })),
      },
      stopping === undefined
        ? {}
        : {
            signal: stopping.signal,
            emit: (event) => {
              if (event.type === 'tag') stopping.abort(new Error('enough'));
            },
          },
    );
  };
  await push('1');
  const before = await Promise.all(NAMES.map((name) => tagsOf(repository(name))));
  const startedAt = performance.now();
  await assert.rejects(push('2', new AbortController()), { message: 'enough' });
  assert.ok(performance.now() - startedAt < 2_000);
  assert.deepEqual(await Promise.all(NAMES.map((name) => tagsOf(repository(name)))), before);
});

test('a tag that moved although its answer was lost goes back too', async (t) => {
  const layout = await freshLayout(t);
  const [old, next] = [await image(layout, 'old'), await image(layout, 'next')];
  let isLosing = false;
  const { repository } = await behindProxy(
    t,
    () => undefined,
    ({ method, path }) =>
      isLosing && method === 'PUT' && path.endsWith('/manifests/1')
        ? { status: 403, body: DENIED }
        : undefined,
  );
  const push = (root: Descriptor, ...names: string[]) =>
    publish({
      images: [
        { graph: graphOf(layout, root, 'it'), destinations: [at(repository('app'), ...names)] },
      ],
    });
  await push(old, '1');
  isLosing = true;
  const { error } = await push(next, '1', '2');
  assert.equal(error?.code, 'DENIED');
  isLosing = false;
  assert.deepEqual(await tagsOf(repository('app')), { '1': old.digest });
});

for (const isGranted of [true, false]) {
  const how = isGranted ? 'one request' : 'an upload where mounts are not granted';
  test(`a blob that this run brought to another repository costs ${how}`, async (t) => {
    const layout = await freshLayout(t);
    const root = await image(layout, 'one for all');
    const { blobs } = await walk(layout, root);
    const isMount = (method: string, path: string) => method === 'POST' && path.includes('?mount=');
    const { repository, recorder, direct } = await behindProxy(t, ({ method, path }) =>
      isMount(method, path) && !isGranted ? { status: 403, body: DENIED } : undefined,
    );
    const { error } = await publish({
      images: [
        {
          graph: graphOf(layout, root, 'image'),
          destinations: NAMES.map((name) => at(repository(name), '1')),
        },
      ],
    });
    assert.equal(error, undefined);
    const [layer] = blobs.filter(({ size }) => size > 40_000);
    const about = recorder.requests.filter(({ path }) =>
      path.includes(layer?.digest.slice(7) ?? '-'),
    );
    const mounts = about.filter(({ method, path }) => isMount(method, path)).length;
    const looks = about.filter(({ method }) => method === 'HEAD').length;
    const [puts, all] = [about.filter(({ method }) => method === 'PUT').length, NAMES.length];
    assert.deepEqual(
      { mounts, looks, puts },
      isGranted
        ? { mounts: all - 1, looks: 1, puts: 1 }
        : { mounts: all - 1, looks: all, puts: all },
    );
    for (const name of NAMES) {
      assert.ok(await direct.repository(name).exists(root));
    }
  });
}
