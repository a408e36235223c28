import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { isSlipwayError } from '../../src/errors.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { type CollectOptions, collectGarbage } from '../../src/server/collect.ts';
import { createRepositories } from '../../src/server/repositories.ts';
import {
  descriptor,
  digestOfJson,
  encode,
  pushImage,
  type Rig,
  sha,
  startRig,
  temporaryFolder,
} from './rig.ts';

const APP = 'team/app';
const HOUR_MS = 3_600_000;

async function collect(storage: string, options: Partial<CollectOptions> = {}) {
  const all = await Array.fromAsync(collectGarbage({ storage, minAgeMs: HOUR_MS, ...options }));
  return {
    blobs: all.flatMap(({ repository, blobs }) => blobs.map((digest) => `${repository}@${digest}`)),
    entries: all.flatMap(({ entries }) => entries.map(({ digest }) => digest as string)),
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** Lets a blob look as if it had been pushed two hours ago. */
async function age(storage: string, repository: string, ...digests: readonly string[]) {
  const seconds = Date.now() / 1000 - 7200;
  for (const digest of digests) {
    const [algorithm = '', hex = ''] = digest.split(':');
    await utimes(join(storage, repository, 'blobs', algorithm, hex), seconds, seconds);
  }
}

/** Fills a storage by a registry that has ended: nobody uses it any more. */
async function filled(storage: string, work: (rig: Rig) => Promise<void>, t: TestContext) {
  const rig = await startRig(t, { storage });
  await work(rig);
  await rig.registry.close();
}

async function isThere(rig: Rig, digest: string, repository = APP): Promise<boolean> {
  return (await rig.ask('GET', `/v2/${repository}/blobs/${digest}`)).status === 200;
}

test('what no manifest needs goes once it is old, in every repository', async (t) => {
  const storage = await temporaryFolder(t);
  const [old, young] = [randomBytes(1000), randomBytes(1000)];
  let layer = '';
  await filled(
    storage,
    async (rig) => {
      const image = await pushImage(rig, APP);
      layer = image.layers[0]?.digest ?? '';
      await rig.put(APP, 'v1', image);
      for (const name of [APP, 'team', 'other/deep/er']) await rig.push(name, old);
      await rig.push(APP, young);
    },
    t,
  );
  for (const name of [APP, 'team', 'other/deep/er']) await age(storage, name, sha(old));
  await age(storage, APP, layer);
  const wanted = ['other/deep/er', 'team', APP].map((name) => `${name}@${sha(old)}`).sort();
  const foretold = await collect(storage, { dryRun: true });
  assert.deepEqual(foretold.blobs.sort(), wanted);
  assert.equal(foretold.bytes, 3000);
  assert.deepEqual((await collect(storage)).blobs.sort(), wanted);
  assert.deepEqual((await collect(storage)).blobs, []);
  const rig = await startRig(t, { storage });
  assert.equal(await isThere(rig, sha(old)), false);
  assert.equal(await isThere(rig, sha(young)), true);
  assert.equal((await rig.ask('GET', `/v2/${APP}/manifests/v1`)).status, 200);
  assert.equal(await isThere(rig, layer), true);
});

test('manifests without a tag stay, or go with --untagged unless they are young or describe one', async (t) => {
  const storage = await temporaryFolder(t);
  const digests: Record<string, string> = {};
  await filled(
    storage,
    async (rig) => {
      const tagged = await pushImage(rig, APP);
      const subject = descriptor(encode(tagged), MEDIA_TYPE.ociManifest);
      await rig.put(APP, 'v1', tagged);
      for (const [name, json] of Object.entries({
        signature: await pushImage(rig, APP, { subject }),
        old: await pushImage(rig, APP),
        young: await pushImage(rig, APP),
      })) {
        digests[name] = digestOfJson(json);
        assert.equal((await rig.put(APP, digestOfJson(json), json)).status, 201);
      }
    },
    t,
  );
  const { signature = '', old = '', young = '' } = digests;
  await age(storage, APP, signature, old);
  assert.deepEqual((await collect(storage)).blobs, []);
  const found = await collect(storage, { untagged: true });
  assert.deepEqual(found.entries, [old]);
  assert.deepEqual(found.blobs, [`${APP}@${old}`], 'its layer is young still');
  const rig = await startRig(t, { storage });
  for (const [digest, status] of [
    [signature, 200],
    [young, 200],
    [old, 404],
  ] as const) {
    assert.equal((await rig.ask('GET', `/v2/${APP}/manifests/${digest}`)).status, status);
  }
});

test('a blob that a client has looked at is not taken away before it names it', async (t) => {
  const storage = await temporaryFolder(t);
  const config = encode({ os: 'linux', architecture: 'amd64' });
  const layer = randomBytes(1000);
  await filled(storage, async (rig) => void (await rig.push(APP, layer)), t);
  for (const look of ['HEAD', 'mount'] as const) {
    await age(storage, APP, sha(layer));
    const rig = await startRig(t, { storage });
    const path = `/v2/${APP}/blobs/`;
    const seen =
      look === 'HEAD'
        ? await rig.ask('HEAD', `${path}${sha(layer)}`)
        : await rig.ask('POST', `${path}uploads/?mount=${sha(layer)}`);
    assert.ok([200, 201].includes(seen.status));
    assert.deepEqual((await collect(storage)).blobs, [], look);
    await rig.push(APP, config);
    const image = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociManifest,
      config: descriptor(config, MEDIA_TYPE.ociConfig),
      layers: [descriptor(layer, MEDIA_TYPE.ociLayerGzip)],
      annotations: { look },
    };
    const put = await rig.put(APP, look, image);
    assert.deepEqual([put.status, put.headers.warning], [201, undefined]);
    await rig.ask('DELETE', `/v2/${APP}/manifests/${digestOfJson(image)}`);
    await rig.registry.close();
  }
});

test('nothing that is pushed while garbage is collected is lost', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  let isOver = false;
  const collecting = (async () => {
    let rounds = 0;
    // The most eager one: only those who use the storage protect what is in it.
    while (!isOver) {
      await collect(storage, { minAgeMs: 0, untagged: true });
      rounds += 1;
    }
    return rounds;
  })();
  const images = await Promise.all(
    Array.from({ length: 24 }, async (_, at) => {
      const image = await pushImage(rig, `${APP}${at % 3}`);
      const put = await rig.put(`${APP}${at % 3}`, `t${at}`, image);
      assert.deepEqual([put.status, put.headers.warning], [201, undefined]);
      return image;
    }),
  );
  isOver = true;
  assert.ok((await collecting) > 0);
  for (const [at, image] of images.entries()) {
    const repository = `${APP}${at % 3}`;
    const got = await rig.ask('GET', `/v2/${repository}/manifests/t${at}`);
    assert.ok(got.body.equals(encode(image)));
    for (const { digest } of [image.config, ...image.layers]) {
      assert.ok(await isThere(rig, digest, repository));
    }
  }
});

test('a repository that is open for long is opened anew, so that its garbage can go', async (t) => {
  const storage = await temporaryFolder(t);
  const repositories = createRepositories(storage, {
    private: true,
    readOnly: false,
    maxAgeMs: 20,
  });
  t.after(() => repositories.close());
  const digest = await repositories.write(APP, async (layout) => {
    const ingest = await layout.ingest();
    await ingest.write(Buffer.from('x'));
    return (await ingest.commit()).digest;
  });
  const leases = join(storage, APP, '.slipway/leases');
  while ((await readdir(leases)).length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual((await collect(storage, { minAgeMs: 0 })).blobs, [`${APP}@${digest}`]);
});

test('uploads that were given up go, and those that go on stay', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  const [dead, alive] = [await rig.begin(APP), await rig.begin(APP)];
  for (const location of [dead, alive]) await rig.ask('PATCH', location, { body: 'some' });
  const uploads = join(storage, '.slipway/uploads');
  const seconds = Date.now() / 1000 - 7200;
  for (const ending of ['json', 'data', 'lock']) {
    await utimes(join(uploads, `${dead.split('/').at(-1)}.${ending}`), seconds, seconds);
  }
  await collect(storage, { dryRun: true });
  assert.equal((await readdir(uploads)).filter((name) => name.endsWith('.json')).length, 2);
  await collect(storage);
  assert.equal((await rig.ask('GET', dead)).status, 404);
  assert.equal((await rig.ask('GET', alive)).headers.range, '0-3');
});

test('a storage that is not there is told', async (t) => {
  const storage = join(await temporaryFolder(t), 'missing');
  await assert.rejects(collect(storage), (error) => isSlipwayError(error, 'FILE_NOT_FOUND'));
});

test('a damaged repository, and one that goes meanwhile, keep no other from being collected', async (t) => {
  const storage = await temporaryFolder(t);
  const old = randomBytes(1000);
  const names = ['a', 'b', 'c', 'd'];
  await filled(
    storage,
    async (rig) => {
      for (const name of names) await rig.push(name, old);
    },
    t,
  );
  for (const name of names) await age(storage, name, sha(old));
  const collecting = collectGarbage({ storage, minAgeMs: HOUR_MS });
  const first = await collecting.next();
  const [gone = '', damaged = '', ...others] = names.filter(
    (name) => name !== first.value?.repository,
  );
  await rm(join(storage, gone), { recursive: true });
  await writeFile(join(storage, damaged, 'index.json'), '{');
  const collected: string[] = [];
  await assert.rejects(
    async () => {
      for await (const { repository, blobs } of collecting) {
        if (blobs.length > 0) collected.push(repository);
      }
    },
    (error: Error) => error.message.includes(join(storage, damaged)),
  );
  assert.deepEqual(collected.sort(), others);
});
