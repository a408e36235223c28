import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { openLayout } from '../../src/layout/layout.ts';
import { isDigest } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { createManifestStore } from '../../src/server/manifest-store.ts';
import {
  descriptor,
  digestOfJson,
  type ErrorBody,
  encode,
  indexOf,
  pushImage,
  type Rig,
  sha,
  startRig,
  temporaryFolder,
} from './rig.ts';

const APP = 'team/app';

const manifestPath = (reference: string) => `/v2/${APP}/manifests/${reference}`;

async function digestAt(rig: Rig, reference: string): Promise<string | undefined> {
  const answer = await rig.ask('HEAD', manifestPath(reference));
  return answer.status === 200 ? answer.headers['docker-content-digest'] : undefined;
}

test('a manifest is kept byte by byte, under its tag and its digest', async (t) => {
  const rig = await startRig(t);
  const image = await pushImage(rig, APP);
  const bytes = Buffer.from(`${JSON.stringify(image, undefined, 3)}\n`);
  const digest = sha(bytes);
  const put = await rig.ask('PUT', manifestPath('v1'), {
    body: bytes,
    headers: { 'content-type': image.mediaType },
  });
  assert.equal(put.status, 201);
  assert.equal(put.headers.location, manifestPath(digest));
  assert.equal(put.headers['docker-content-digest'], digest);
  for (const reference of ['v1', digest, digest.replace(':', '%3A')]) {
    const got = await rig.ask('GET', manifestPath(reference));
    assert.equal(got.status, 200, reference);
    assert.ok(got.body.equals(bytes));
    const head = await rig.ask('HEAD', manifestPath(reference));
    assert.equal(head.body.byteLength, 0);
    for (const answer of [got, head]) {
      assert.equal(answer.headers['content-type'], image.mediaType);
      assert.equal(answer.headers['content-length'], String(bytes.byteLength));
      assert.equal(answer.headers['docker-content-digest'], digest);
      assert.equal(answer.headers.etag, `"${digest}"`);
    }
  }
  const known = await rig.ask('GET', manifestPath('v1'), {
    headers: { 'if-none-match': `"${digest}"` },
  });
  assert.equal(known.status, 304);
});

test('what is not there is told in the right words', async (t) => {
  const rig = await startRig(t);
  const absent = sha('absent');
  assert.equal((await rig.ask('GET', manifestPath('v1'))).code(), 'NAME_UNKNOWN');
  await rig.put(APP, 'v1', await pushImage(rig, APP));
  for (const reference of ['v2', absent, 'not%20a%20tag', '', 'a'.repeat(200)]) {
    for (const method of ['GET', 'HEAD', 'DELETE']) {
      const answer = await rig.ask(method, manifestPath(reference));
      assert.equal(answer.status, 404, `${method} ${reference}`);
      if (method !== 'HEAD') assert.equal(answer.code(), 'MANIFEST_UNKNOWN');
    }
  }
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const answer = await rig.ask(method, manifestPath('sha256:baddigeststring'));
    assert.deepEqual([answer.status, answer.code()], [400, 'DIGEST_INVALID']);
  }
});

test('without sparse, a manifest is refused as long as content is missing, and the digests are named', async (t) => {
  const rig = await startRig(t, { sparse: false });
  const image = await pushImage(rig, APP);
  const absent = descriptor(randomBytes(9), MEDIA_TYPE.ociLayerGzip);
  const sparse = { ...image, layers: [...image.layers, absent] };
  const refused = await rig.put(APP, 'v1', sparse);
  assert.deepEqual([refused.status, refused.code()], [404, 'MANIFEST_BLOB_UNKNOWN']);
  assert.deepEqual(refused.json<ErrorBody>().errors[0]?.detail?.digests, [absent.digest]);
  const index = indexOf([image]);
  const child = digestOfJson(image);
  const early = await rig.put(APP, 'v1', index);
  assert.equal(early.code(), 'MANIFEST_BLOB_UNKNOWN');
  assert.deepEqual(early.json<ErrorBody>().errors[0]?.detail?.digests, [child]);
  assert.equal(await digestAt(rig, 'v1'), undefined);
  assert.equal(await digestAt(rig, digestOfJson(sparse)), undefined);
  assert.equal((await rig.put(APP, child, image)).status, 201);
  assert.equal((await rig.put(APP, 'v1', index)).status, 201);
  // Blobs of another repository don't count.
  assert.equal((await rig.put('team/other', 'v1', image)).code(), 'MANIFEST_BLOB_UNKNOWN');
});

test('a manifest whose content is missing is taken with a warning that names it', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  const image = await pushImage(rig, APP);
  const [absent, another] = [randomBytes(9), randomBytes(9)].map((bytes) =>
    descriptor(bytes, MEDIA_TYPE.ociLayerGzip),
  );
  const sparse = { ...image, layers: [...image.layers, absent, another] };
  const put = await rig.put(APP, 'v1', sparse);
  assert.equal(put.status, 201);
  assert.match(put.headers.warning ?? '', /^299 - "[^"]*sha256:[0-9a-f]{64} and 1 more"$/);
  assert.ok(put.headers.warning?.includes(absent?.digest ?? '-'));
  assert.equal(await digestAt(rig, 'v1'), digestOfJson(sparse));
  const index = indexOf([sparse, image]);
  const partial = await rig.put(APP, `${digestOfJson(index)}?tag=i1&tag=i2`, index);
  assert.equal(partial.status, 201);
  assert.ok(partial.headers.warning?.includes(digestOfJson(image)));
  assert.equal(await digestAt(rig, 'i2'), digestOfJson(index));
  // What was missing comes later, and the next PUT says nothing.
  assert.equal((await rig.put(APP, digestOfJson(image), image)).headers.warning, undefined);
  assert.equal((await rig.put(APP, 'i1', index)).headers.warning, undefined);
  // A sparse manifest outlives the index that held it, here and in index.json.
  await rig.ask('DELETE', manifestPath('v1'));
  await rig.ask('DELETE', manifestPath(digestOfJson(index)));
  assert.equal(await digestAt(rig, digestOfJson(sparse)), digestOfJson(sparse));
  const listed = await readFile(join(storage, APP, 'index.json'), 'utf8');
  assert.ok(listed.includes(digestOfJson(sparse)));
});

test('a layer that may not be distributed and names its origin may be absent', async (t) => {
  const rig = await startRig(t);
  const image = await pushImage(rig, APP);
  const foreign = {
    ...descriptor(randomBytes(9), MEDIA_TYPE.ociLayerForeignGzip),
    urls: ['https://layers.example/1'],
  };
  const put = await rig.put(APP, 'v1', { ...image, layers: [foreign, ...image.layers] });
  assert.equal(put.status, 201);
});

test('sizes that do not fit the blobs are refused', async (t) => {
  const rig = await startRig(t);
  const image = await pushImage(rig, APP);
  const config = { ...image.config, size: image.config.size + 1 };
  const answer = await rig.put(APP, 'v1', { ...image, config });
  assert.deepEqual([answer.status, answer.code()], [400, 'MANIFEST_INVALID']);
});

test('documents that are no manifest, two things, or not what they are sent as are refused', async (t) => {
  const rig = await startRig(t);
  const image = await pushImage(rig, APP);
  const index = indexOf([]);
  const { mediaType: _, ...untyped } = image;
  const put = (body: Buffer, type: string) =>
    rig.ask('PUT', manifestPath('v1'), { body, headers: { 'content-type': type } });
  for (const [body, type] of [
    [Buffer.from('{'), image.mediaType],
    [Buffer.from('[]'), image.mediaType],
    [Buffer.from('null'), image.mediaType],
    [Buffer.alloc(0), image.mediaType],
    [Buffer.from([0xff, 0xfe]), image.mediaType],
    [encode(image), index.mediaType],
    [encode(index), image.mediaType],
    [encode(image), 'text/html'],
    [encode({ ...image, manifests: [] }), image.mediaType],
    [encode({ ...image, schemaVersion: 1 }), image.mediaType],
    [encode({ ...image, Config: image.config }), image.mediaType],
    [encode({ ...image, config: { ...image.config, digest: '../../x' } }), image.mediaType],
    [encode(untyped), MEDIA_TYPE.dockerManifest],
  ] as const) {
    const answer = await put(body, type);
    assert.equal(answer.status, 400, body.toString('utf8', 0, 100));
    assert.equal(answer.code(), 'MANIFEST_INVALID');
  }
  assert.equal((await put(encode(untyped), image.mediaType)).status, 201);
  assert.equal((await put(encode(image), `${image.mediaType}; charset=utf-8`)).status, 201);
  const bare = await rig.ask('PUT', manifestPath('v1'), { body: encode(image) });
  assert.equal(bare.status, 201, 'it says itself what it is');
});

test('a manifest of 4 MiB is taken, one byte more is refused', async (t) => {
  const rig = await startRig(t);
  const image = await pushImage(rig, APP);
  const limit = 4 * 1024 * 1024;
  const sized = (size: number) => {
    const empty = encode({ ...image, annotations: { long: '' } }).byteLength;
    return encode({ ...image, annotations: { long: 'x'.repeat(size - empty) } });
  };
  const put = (body: Buffer | Readable) =>
    rig.ask('PUT', manifestPath('v1'), { body, headers: { 'content-type': image.mediaType } });
  assert.equal(sized(limit).byteLength, limit);
  assert.equal((await put(sized(limit))).status, 201);
  const unannounced = Readable.from([sized(limit + 1)]);
  for (const body of [sized(limit + 1), unannounced]) {
    const answer = await put(body);
    assert.deepEqual([answer.status, answer.code()], [413, 'MANIFEST_INVALID']);
  }
});

test('a digest in the path has to be that of the body; sha512 is one', async (t) => {
  const rig = await startRig(t);
  const image = await pushImage(rig, APP);
  for (const algorithm of ['sha256', 'sha512']) {
    const wrong = await rig.put(APP, sha('other', algorithm), image);
    assert.deepEqual([wrong.status, wrong.code()], [400, 'DIGEST_INVALID']);
    const digest = digestOfJson(image, algorithm);
    assert.equal((await rig.put(APP, digest, image)).status, 201);
    assert.equal(await digestAt(rig, digest), digest);
  }
});

test('tags can be set with a PUT by digest', async (t) => {
  const rig = await startRig(t);
  const image = await pushImage(rig, APP);
  for (const algorithm of ['sha256', 'sha512']) {
    const digest = digestOfJson(image, algorithm);
    const put = await rig.put(APP, `${digest}?tag=one-${algorithm}&tag=two-${algorithm}`, image);
    assert.equal(put.status, 201);
    assert.deepEqual(put.values('oci-tag'), [`one-${algorithm}`, `two-${algorithm}`]);
    assert.equal(await digestAt(rig, `one-${algorithm}`), digest);
    assert.equal(await digestAt(rig, `two-${algorithm}`), digest);
  }
  const digest = digestOfJson(image);
  const bad = await rig.put(APP, `${digest}?tag=fine&tag=not%20fine`, image);
  assert.equal(bad.status, 400);
  assert.equal(await digestAt(rig, 'fine'), undefined);
  const many = Array.from({ length: 101 }, (_, index) => `tag=t${index}`).join('&');
  assert.equal((await rig.put(APP, `${digest}?${many}`, image)).status, 414);
  assert.equal((await rig.put(APP, '-not-a-tag', image)).status, 400);
});

test('a tag that moves leaves the old manifest under its digest', async (t) => {
  const rig = await startRig(t);
  const [first, second] = [await pushImage(rig, APP), await pushImage(rig, APP)];
  await rig.put(APP, 'v1', first);
  await rig.put(APP, 'v1', second);
  assert.equal(await digestAt(rig, 'v1'), digestOfJson(second));
  assert.equal(await digestAt(rig, digestOfJson(first)), digestOfJson(first));
});

test('DELETE of a tag takes only that tag; of a digest the manifest and its tags', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  const image = await pushImage(rig, APP);
  const index = indexOf([image]);
  const digest = digestOfJson(index);
  await rig.put(APP, digestOfJson(image), image);
  await rig.put(APP, 'v1', index);
  await rig.put(APP, 'v2', index);
  assert.equal((await rig.ask('DELETE', manifestPath('v1'))).status, 202);
  assert.equal(await digestAt(rig, 'v1'), undefined);
  assert.equal(await digestAt(rig, 'v2'), digest);
  assert.equal((await rig.ask('DELETE', manifestPath('v2'))).status, 202);
  assert.equal(await digestAt(rig, digest), digest);
  await rig.put(APP, 'v3', index);
  assert.equal((await rig.ask('DELETE', manifestPath(digest))).status, 202);
  assert.equal(await digestAt(rig, 'v3'), undefined);
  assert.equal(await digestAt(rig, digest), undefined);
  assert.equal(await digestAt(rig, digestOfJson(image)), digestOfJson(image), 'the child stays');
  const listed = await readFile(join(storage, APP, 'index.json'), 'utf8');
  assert.ok(listed.includes(digestOfJson(image)), 'and no prune takes it');
  assert.equal((await rig.ask('DELETE', manifestPath(digest))).code(), 'MANIFEST_UNKNOWN');
});

test('conditions on a PUT hold or nothing changes', async (t) => {
  const rig = await startRig(t);
  const [first, second] = [await pushImage(rig, APP), await pushImage(rig, APP)];
  const [one, two] = [digestOfJson(first), digestOfJson(second)];
  const absent = sha('absent');
  assert.equal((await rig.put(APP, 'v1', first, { 'if-match': '*' })).status, 412);
  assert.equal((await rig.put(APP, 'v1', first, { 'if-match': `"${one}"` })).status, 412);
  assert.equal((await rig.put(APP, 'v1', first, { 'if-none-match': '*' })).status, 201);
  assert.equal((await rig.put(APP, 'v1', second, { 'if-none-match': '*' })).status, 412);
  assert.equal((await rig.put(APP, 'v1', second, { 'if-match': `"${absent}"` })).status, 412);
  assert.equal((await rig.put(APP, 'v1', second, { 'if-none-match': `"${one}"` })).status, 412);
  assert.equal(await digestAt(rig, 'v1'), one);
  assert.equal(await digestAt(rig, two), undefined, 'nothing of it is kept');
  const list = `"${absent}", "${one}"`;
  assert.equal((await rig.put(APP, 'v1', second, { 'if-match': list })).status, 201);
  assert.equal(await digestAt(rig, 'v1'), two);
  // Of several tags each has to fit.
  const both = await rig.put(APP, `${one}?tag=v1&tag=v9`, first, { 'if-none-match': '*' });
  assert.equal(both.status, 412);
  assert.equal(await digestAt(rig, 'v9'), undefined);
});

test('of many who want a free tag one gets it', async (t) => {
  const rig = await startRig(t);
  const images = await Promise.all(Array.from({ length: 8 }, () => pushImage(rig, APP)));
  const answers = await Promise.all(
    images.map((image) => rig.put(APP, 'first', image, { 'if-none-match': '*' })),
  );
  const won = answers.flatMap(({ status }, index) => (status === 201 ? [index] : []));
  assert.equal(won.length, 1);
  assert.ok(answers.every(({ status }) => status === 201 || status === 412));
  assert.equal(await digestAt(rig, 'first'), digestOfJson(images[won[0] ?? -1] ?? {}));
});

test('of many who want a free tag of one storage, through two registries, one gets it', async (t) => {
  const storage = await temporaryFolder(t);
  const rigs = [await startRig(t, { storage }), await startRig(t, { storage })] as const;
  const images = await Promise.all(Array.from({ length: 8 }, () => pushImage(rigs[0], APP)));
  const answers = await Promise.all(
    images.map((image, at) =>
      (at % 2 ? rigs[0] : rigs[1]).put(APP, 'first', image, { 'if-none-match': '*' }),
    ),
  );
  const won = answers.flatMap(({ status }, at) => (status === 201 ? [at] : []));
  assert.equal(won.length, 1);
  const held = digestOfJson(images[won[0] ?? -1] ?? {});
  for (const rig of rigs) assert.equal(await digestAt(rig, 'first'), held);
  const moves = await Promise.all(
    images.map((image, at) =>
      (at % 2 ? rigs[0] : rigs[1]).put(APP, 'first', image, { 'if-match': `"${held}"` }),
    ),
  );
  // One moves it; the one that holds it may be before that one.
  const moved = moves.filter(({ status }) => status === 201).length;
  assert.ok(moved >= 1 && moved <= 2, String(moved));
});

test('a manifest that was damaged on disk is not served', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  const image = await pushImage(rig, APP);
  const digest = digestOfJson(image);
  await rig.put(APP, 'v1', image);
  const file = join(storage, APP, 'blobs/sha256', digest.slice('sha256:'.length));
  const bytes = await readFile(file);
  await writeFile(file, Buffer.from(bytes.toString().replace('linux', 'LINUX').replace('2', '3')));
  const answer = await rig.ask('GET', manifestPath('v1'));
  assert.deepEqual([answer.status, answer.code()], [500, 'UNKNOWN']);
  assert.ok(!answer.body.toString().includes(storage), 'paths of the machine stay here');
});

test('two registries can serve one folder at the same time', async (t) => {
  const storage = await temporaryFolder(t);
  const [one, two] = [await startRig(t, { storage }), await startRig(t, { storage })];
  const image = await pushImage(one, APP);
  assert.equal((await two.put(APP, 'v1', image)).status, 201);
  assert.equal(await digestAt(one, 'v1'), digestOfJson(image));
  const tags = Array.from({ length: 10 }, (_, index) => `t${index}`);
  await Promise.all(tags.map((tag, index) => (index % 2 ? one : two).put(APP, tag, image)));
  const listed = (await one.ask('GET', `/v2/${APP}/tags/list`)).json<{ tags: string[] }>().tags;
  assert.deepEqual(listed, [...tags, 'v1']);
  await two.ask('DELETE', manifestPath(digestOfJson(image)));
  assert.equal(await digestAt(one, 'v1'), undefined);
});

test('a manifest that is remembered keeps no more memory than its own', async (t) => {
  const storage = await temporaryFolder(t);
  const rig = await startRig(t, { storage });
  const image = await pushImage(rig, APP);
  await rig.put(APP, 'v1', image);
  const layout = await openLayout(join(storage, APP));
  const store = createManifestStore();
  const digest = digestOfJson(image);
  assert.ok(isDigest(digest));
  await store.read(layout, digest);
  const remembered = await store.read(layout, digest);
  await layout.close();
  assert.ok(remembered);
  assert.equal(remembered.bytes.buffer.byteLength, encode(image).byteLength);
});
