import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nextLink } from '../../src/http/link.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { descriptor, digestOfJson, encode, indexOf, pushImage, sha, startRig } from './rig.ts';

const APP = 'team/app';

interface Referrers {
  readonly schemaVersion: number;
  readonly mediaType: string;
  readonly manifests: readonly {
    readonly digest: string;
    readonly size: number;
    readonly mediaType: string;
    readonly artifactType?: string;
    readonly annotations?: Record<string, string>;
  }[];
}

const listOf = (digest: string) => `/v2/${APP}/referrers/${digest}`;

test('nothing refers to what is not there', async (t) => {
  const rig = await startRig(t);
  const check = async () => {
    const answer = await rig.ask('GET', listOf(sha('absent')));
    assert.equal(answer.status, 200);
    assert.equal(answer.headers['content-type'], MEDIA_TYPE.ociIndex);
    assert.deepEqual(answer.json<Referrers>(), {
      schemaVersion: 2,
      mediaType: MEDIA_TYPE.ociIndex,
      manifests: [],
    });
  };
  await check();
  await rig.put(APP, 'v1', await pushImage(rig, APP));
  await check();
  assert.equal((await rig.ask('GET', listOf('sha256:x'))).code(), 'DIGEST_INVALID');
});

test('manifests with a subject are listed under it, which need not be there', async (t) => {
  const rig = await startRig(t);
  const image = await pushImage(rig, APP);
  const subject = descriptor(encode(image), image.mediaType);
  const annotations = { 'org.example.by': 'a signer' };
  const signature = await pushImage(rig, APP, {
    subject,
    artifactType: 'application/vnd.example.signature',
    annotations,
  });
  const untyped = await pushImage(rig, APP, { subject });
  const index = indexOf([untyped], { subject, artifactType: 'application/vnd.example.index' });
  const put = await rig.put(APP, digestOfJson(signature), signature);
  assert.equal(put.headers['oci-subject'], subject.digest);
  await rig.put(APP, digestOfJson(untyped), untyped);
  // Its child is now kept by it, and is a referrer all the same.
  await rig.put(APP, 'tagged', index);
  const find = async (query = '') => {
    const answer = await rig.ask('GET', `${listOf(subject.digest)}${query}`);
    const filters = answer.headers['oci-filters-applied'];
    return { filters, manifests: answer.json<Referrers>().manifests };
  };
  const all = await find();
  const byDigest = (json: object) =>
    all.manifests.find(({ digest }) => digest === digestOfJson(json));
  assert.equal(all.manifests.length, 3);
  assert.equal(all.filters, undefined);
  assert.deepEqual(byDigest(signature), {
    ...descriptor(encode(signature), signature.mediaType),
    artifactType: 'application/vnd.example.signature',
    annotations,
  });
  assert.equal(byDigest(untyped)?.artifactType, MEDIA_TYPE.ociConfig, 'that of its config');
  assert.equal(byDigest(index)?.artifactType, 'application/vnd.example.index');
  const type = encodeURIComponent('application/vnd.example.signature');
  const filtered = await find(`?artifactType=${type}`);
  assert.equal(filtered.filters, 'artifactType');
  assert.deepEqual(
    filtered.manifests.map(({ digest }) => digest),
    [digestOfJson(signature)],
  );
  // Pushing what was referred to changes nothing; deleting a referrer does.
  await rig.put(APP, 'v1', image);
  assert.equal((await find()).manifests.length, 3);
  await rig.ask('DELETE', `/v2/${APP}/manifests/${digestOfJson(signature)}`);
  assert.equal((await find()).manifests.length, 2);
});

test('a list that would be longer than clients accept comes in pages', async (t) => {
  const rig = await startRig(t);
  const subject = descriptor(Buffer.from('{}'), MEDIA_TYPE.ociManifest);
  const image = await pushImage(rig, APP, { subject });
  const wanted: string[] = [];
  for (const letter of ['a', 'b', 'c']) {
    const referrer = { ...image, annotations: { long: letter.repeat(2_000_000) } };
    wanted.push(digestOfJson(referrer));
    assert.equal((await rig.put(APP, digestOfJson(referrer), referrer)).status, 201);
  }
  const seen: string[] = [];
  let pages = 0;
  for (let path: string | undefined = listOf(subject.digest); path !== undefined; pages++) {
    const page = await rig.ask('GET', path);
    assert.ok(page.body.byteLength < 4 * 1024 * 1024);
    seen.push(...page.json<Referrers>().manifests.map(({ digest }) => digest));
    path = nextLink(page.values('link'));
  }
  assert.deepEqual(seen, wanted.sort());
  assert.equal(pages, 3);
});
