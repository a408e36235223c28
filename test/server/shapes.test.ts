import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { type Document, descriptor, digestOfJson, encode, type Rig, sha, startRig } from './rig.ts';

/**
 * The kinds of images that the conformance suite of the distribution-spec pushes, lists, pulls and
 * deletes, by the names of its cases.
 */
const APP = 'conformance/repo1';
const EXAMPLE = 'application/vnd.example.oci.conformance.v1';

interface Shape {
  /** children before parents; the last one is tagged */
  readonly documents: readonly Document[];
  readonly blobs: readonly Buffer[];
  readonly algorithm?: string;
}

function image(extra: object = {}, { layers = 2, algorithm = 'sha256', data = false } = {}) {
  const config = encode({
    os: 'linux',
    architecture: 'amd64',
    random: randomBytes(8).toString('hex'),
  });
  const contents = Array.from({ length: layers }, () => randomBytes(40));
  const describe = (bytes: Buffer, mediaType: string) => ({
    ...descriptor(bytes, mediaType, algorithm),
    ...(data ? { data: bytes.toString('base64') } : {}),
  });
  const document: Document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: describe(config, MEDIA_TYPE.ociConfig),
    layers: contents.map((bytes) => describe(bytes, MEDIA_TYPE.ociLayerGzip)),
    ...extra,
  };
  return { document, blobs: [config, ...contents] };
}

function artifact(extra: object = {}, content = randomBytes(30), type: string = EXAMPLE) {
  const empty = Buffer.from('{}');
  const document: Document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    artifactType: EXAMPLE,
    config: descriptor(empty, MEDIA_TYPE.ociEmpty),
    layers: [descriptor(content, type)],
    ...extra,
  };
  return { document, blobs: [empty, content] };
}

function index(documents: readonly Document[], extra: object = {}, algorithm = 'sha256'): Document {
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociIndex,
    manifests: documents.map((document, at) => ({
      ...descriptor(encode(document), document.mediaType, algorithm),
      platform: { os: 'linux', architecture: at === 0 ? 'amd64' : 'arm64' },
    })),
    ...extra,
  };
}

function multi(
  make: () => ReturnType<typeof image>,
  extra: object = {},
  algorithm = 'sha256',
): Shape {
  const images = [make(), make()];
  const documents = images.map(({ document }) => document);
  const top = index(documents, extra, algorithm);
  return {
    documents: [...documents, top],
    blobs: images.flatMap(({ blobs }) => blobs),
    algorithm,
  };
}

function single({ document, blobs }: ReturnType<typeof image>): Shape {
  return { documents: [document], blobs };
}

function nested(): Shape {
  const [one, two] = [multi(image), multi(image)];
  const tops = [one, two].map(({ documents }) => documents.at(-1) as Document);
  return {
    documents: [...one.documents, ...two.documents, index(tops)],
    blobs: [...one.blobs, ...two.blobs],
  };
}

const annotations = Object.fromEntries(
  Array.from({ length: 390 }, (_, at) => [`large-annotation-${at}`, 'A'.repeat(10_000)]),
);
const foreign = {
  ...descriptor(randomBytes(5), MEDIA_TYPE.ociLayerForeign),
  urls: ['https://store.example.com/1'],
};
const SHAPES: Readonly<Record<string, () => Shape>> = {
  image: () => single(image()),
  'large-manifest': () => single(image({ annotations })),
  index: () => multi(image),
  'nested-index': nested,
  'empty-index': () => ({ documents: [index([])], blobs: [] }),
  artifact: () => single(artifact()),
  'artifact-index': () => multi(artifact, { artifactType: EXAMPLE }),
  'artifact-without-layers': () => single(artifact({}, Buffer.from('{}'), MEDIA_TYPE.ociEmpty)),
  'data-field': () => single(image({}, { data: true })),
  'non-distributable-layers': () => single(image({ layers: [foreign] })),
  'custom-fields': () =>
    multi(() => image({ 'org.example.extra': { deep: [1, 2.5, 'x'] } }), { another: 'field' }),
  'no-layers': () => single(image({}, { layers: 0 })),
  sha512: () => multi(() => image({}, { algorithm: 'sha512' }), {}, 'sha512'),
};

for (const [name, make] of Object.entries(SHAPES)) {
  test(`${name}: pushed, listed, pulled and deleted`, async (t) => {
    const rig = await startRig(t);
    const { documents, blobs, algorithm = 'sha256' } = make();
    await pushBlobs(rig, blobs, algorithm);
    for (const document of documents) {
      const digest = digestOfJson(document, algorithm);
      assert.equal((await rig.put(APP, digest, document)).status, 201);
    }
    const top = documents.at(-1) as Document;
    const topDigest = digestOfJson(top, algorithm);
    const tagged = await rig.put(APP, `${topDigest}?tag=${name}`, top);
    assert.equal(tagged.headers['oci-tag'], name);
    const { tags } = (await rig.ask('GET', `/v2/${APP}/tags/list`)).json<{ tags: string[] }>();
    assert.deepEqual(tags, [name]);
    const byTag = await rig.ask('GET', `/v2/${APP}/manifests/${name}`);
    assert.equal(byTag.headers['docker-content-digest'], topDigest);
    for (const document of documents) {
      const path = `/v2/${APP}/manifests/${digestOfJson(document, algorithm)}`;
      const answer = await rig.ask('GET', path);
      assert.ok(answer.body.equals(encode(document)));
      assert.equal(answer.headers['content-type'], document.mediaType);
    }
    assert.equal((await rig.ask('DELETE', `/v2/${APP}/manifests/${name}`)).status, 202);
    assert.equal((await rig.ask('HEAD', `/v2/${APP}/manifests/${name}`)).status, 404);
    for (const document of [...documents].reverse()) {
      const path = `/v2/${APP}/manifests/${digestOfJson(document, algorithm)}`;
      assert.equal((await rig.ask('DELETE', path)).status, 202);
      assert.equal((await rig.ask('HEAD', path)).status, 404);
    }
    const distinct = new Set(blobs.map((bytes) => sha(bytes, algorithm)));
    for (const digest of distinct) {
      assert.equal((await rig.ask('DELETE', `/v2/${APP}/blobs/${digest}`)).status, 202);
      assert.equal((await rig.ask('HEAD', `/v2/${APP}/blobs/${digest}`)).status, 404);
    }
  });
}

async function pushBlobs(rig: Rig, blobs: readonly Buffer[], algorithm: string): Promise<void> {
  for (const bytes of blobs) {
    const query = `?digest=${sha(bytes, algorithm)}`;
    const answer = await rig.ask('POST', `/v2/${APP}/blobs/uploads/${query}`, { body: bytes });
    assert.equal(answer.status, 201);
  }
}
