import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  childrenOf,
  encodeDocument,
  type ImageIndex,
  type ImageManifest,
  parseManifest,
} from '../../src/oci/manifest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { bytesOf, descriptorOf, indexJson, type Json, manifestJson } from './documents.ts';

function refuses(json: unknown, expected?: string, code = 'CONTENT_INVALID'): void {
  assert.throws(() => parseManifest(bytesOf(json), expected), { code }, JSON.stringify(json));
}

test('a manifest is read with everything that it names', () => {
  const json = manifestJson();
  const document = parseManifest(bytesOf(json), MEDIA_TYPE.ociManifest) as ImageManifest;
  assert.equal(document.kind, 'manifest');
  assert.equal(document.mediaType, MEDIA_TYPE.ociManifest);
  assert.deepEqual(document.config, json.config);
  assert.deepEqual(document.layers, json.layers);
  assert.deepEqual(document.subject, json.subject);
  assert.equal(document.artifactType, 'application/vnd.test');
  assert.deepEqual(document.annotations, json.annotations);
  assert.deepEqual(document.json, json);
  assert.deepEqual(childrenOf(document), [document.config, ...document.layers]);
});

test('an index is read with everything that it names', () => {
  const json = indexJson();
  const document = parseManifest(bytesOf(json)) as ImageIndex;
  assert.equal(document.kind, 'index');
  assert.deepEqual(document.manifests, json.manifests);
  assert.deepEqual(document.annotations, { c: 'd' });
  assert.deepEqual(childrenOf(document), document.manifests);
});

test('both families are read, each as what it says', () => {
  const docker: Json = {
    ...manifestJson(),
    mediaType: MEDIA_TYPE.dockerManifest,
    config: descriptorOf('{}', MEDIA_TYPE.dockerConfig),
    layers: [descriptorOf('one', MEDIA_TYPE.dockerLayerGzip)],
  };
  assert.equal(parseManifest(bytesOf(docker)).mediaType, MEDIA_TYPE.dockerManifest);
  const list = { ...indexJson(), mediaType: MEDIA_TYPE.dockerIndex };
  const document = parseManifest(bytesOf(list), MEDIA_TYPE.dockerIndex);
  assert.deepEqual([document.kind, document.mediaType], ['index', MEDIA_TYPE.dockerIndex]);
});

test('without a mediaType it is what led to it, or what its fields say', () => {
  const { mediaType: _, ...manifest } = manifestJson();
  const { mediaType: __, ...index } = indexJson();
  assert.equal(parseManifest(bytesOf(manifest)).mediaType, MEDIA_TYPE.ociManifest);
  assert.equal(parseManifest(bytesOf(index)).mediaType, MEDIA_TYPE.ociIndex);
  const docker = parseManifest(bytesOf(manifest), MEDIA_TYPE.dockerManifest);
  assert.equal(docker.mediaType, MEDIA_TYPE.dockerManifest);
  refuses(manifest, MEDIA_TYPE.ociIndex);
  refuses(index, MEDIA_TYPE.ociManifest);
  refuses(manifest, 'application/json');
});

test('a document that could be two things is refused', () => {
  refuses({ ...manifestJson(), manifests: [] });
  refuses({ ...indexJson(), layers: [] });
  refuses({ ...indexJson(), config: {} });
  refuses({ ...indexJson(), layers: null });
  refuses({ ...manifestJson(), manifests: null });
  refuses({ schemaVersion: 2, layers: null, manifests: null });
  refuses({ ...indexJson(), mediaType: MEDIA_TYPE.ociManifest });
  refuses({ ...manifestJson(), mediaType: MEDIA_TYPE.ociIndex });
  refuses(manifestJson(), MEDIA_TYPE.ociIndex);
  refuses(manifestJson(), MEDIA_TYPE.dockerManifest);
});

test('keys that only some readers take for the known ones are refused', () => {
  for (const key of ['Layers', 'LAYERS', 'layer\u017f', 'MediaType', 'Config', 'schemaversion']) {
    refuses({ ...manifestJson(), [key]: [] });
  }
  for (const key of ['Digest', 'digeſt', 'SIZE', 'Data', 'URLs', 'mediatype']) {
    refuses({ ...manifestJson(), config: { ...(manifestJson().config as Json), [key]: '' } });
  }
  const platform = { os: 'linux', architecture: 'arm', OS: 'windows' };
  refuses({
    ...indexJson(),
    manifests: [{ ...descriptorOf('a', MEDIA_TYPE.ociManifest), platform }],
  });
});

test('a key that stands twice in one object is refused, wherever it is', () => {
  const text = JSON.stringify(manifestJson());
  for (const [part, twice] of [
    ['"layers":', '"layers":[],"layers":'],
    ['"size":2', '"size":1,"size":2'],
    ['"schemaVersion":2', '"schemaVersion":2,"schema\\u0056ersion":2'],
    ['"annotations":{', '"annotations":{"a":"b","a":"b",'],
  ] as const) {
    const changed = text.replace(part, twice);
    assert.notEqual(changed, text);
    JSON.parse(changed);
    assert.throws(() => parseManifest(Buffer.from(changed)), { code: 'CONTENT_INVALID' }, twice);
  }
  parseManifest(Buffer.from(text.replace('"a title"', '"{\\"a\\":1,\\"a\\":2}"')));
});

test('schema version 1 and none are refused', () => {
  for (const schemaVersion of [1, '2', 3, null, undefined]) {
    refuses({ ...manifestJson(), schemaVersion });
  }
});

test('fields of a wrong kind are refused', () => {
  for (const change of [
    { config: undefined },
    { config: null },
    { config: [] },
    { layers: undefined },
    { layers: {} },
    { layers: [null] },
    { layers: 'x' },
    { subject: [] },
    { subject: {} },
    { annotations: [] },
    { annotations: { a: 1 } },
    { annotations: { a: null } },
    { artifactType: 1 },
    { mediaType: 'application/json' },
    { mediaType: 2 },
  ]) {
    refuses({ ...manifestJson(), ...change });
  }
  for (const manifests of [{}, 'x', [1]]) refuses({ ...indexJson(), manifests });
});

test('null stands for a list without entries, as Go’s writers have it', () => {
  const image = parseManifest(bytesOf({ ...manifestJson(), layers: null })) as ImageManifest;
  assert.deepEqual([image.kind, image.layers], ['manifest', []]);
  assert.deepEqual(childrenOf(image), [image.config]);
  const index = parseManifest(bytesOf({ ...indexJson(), manifests: null })) as ImageIndex;
  assert.deepEqual([index.kind, index.manifests], ['index', []]);
  refuses({ ...manifestJson(), config: undefined, layers: null });
  refuses({ ...manifestJson(), layers: null }, MEDIA_TYPE.ociIndex);
  refuses({ ...indexJson(), manifests: null }, MEDIA_TYPE.ociManifest);
});

test('null stands for a field that is missing, as it does for Go’s readers', () => {
  const document = parseManifest(
    bytesOf({ ...manifestJson(), subject: null, annotations: null, artifactType: null }),
  );
  assert.deepEqual(
    [document.subject, document.annotations, document.artifactType],
    [undefined, undefined, undefined],
  );
});

test('what is no JSON object, too long or too deep is refused', () => {
  for (const text of ['', '[]', 'null', '2', '"x"', '{', '{}x', '\ufeff{}', '{"a":\u0001}']) {
    assert.throws(() => parseManifest(Buffer.from(text)), { code: 'CONTENT_INVALID' }, text);
  }
  const latin1 = Buffer.from(JSON.stringify(manifestJson()).replace('a title', '\u00ff'), 'latin1');
  assert.throws(() => parseManifest(latin1), { code: 'CONTENT_INVALID' });
  const limit = 4 * 1024 * 1024;
  const long = (size: number) => {
    const bytes = Buffer.alloc(size, ' ');
    bytes.set(bytesOf(manifestJson()));
    return bytes;
  };
  parseManifest(long(limit));
  assert.throws(() => parseManifest(long(limit + 1)), { code: 'LIMIT_EXCEEDED' });
  const deep = (levels: number) => ({
    ...manifestJson(),
    x: JSON.parse('['.repeat(levels) + ']'.repeat(levels)),
  });
  parseManifest(bytesOf(deep(63)));
  for (const text of [`"${'['.repeat(100)}`, `\\"${'{'.repeat(100)}`, `${'['.repeat(100)}\\`]) {
    parseManifest(bytesOf({ ...manifestJson(), x: [text, text], y: { [text]: text } }));
  }
  refuses(deep(64), undefined, 'LIMIT_EXCEEDED');
  const endless = Buffer.from(`{"x":${'['.repeat(4_000_000)}`);
  assert.throws(() => parseManifest(endless), { code: 'LIMIT_EXCEEDED' });
});

test('errors quote nothing of the document', () => {
  const secret = 'hunter2\u001b[31m';
  for (const json of [
    { ...manifestJson(), mediaType: secret },
    { ...manifestJson(), config: { mediaType: secret, digest: secret, size: secret } },
  ]) {
    assert.throws(
      () => parseManifest(bytesOf(json)),
      (error: Error) => !error.message.includes('hunter2'),
    );
  }
  assert.throws(
    () => parseManifest(Buffer.from(`{"a": ${secret}}`)),
    (error: Error) => !error.message.includes('hunter2'),
  );
});

test('encoding and parsing again gives the same document', () => {
  for (const json of [manifestJson(), indexJson()]) {
    const once = parseManifest(bytesOf(json));
    assert.deepEqual(parseManifest(encodeDocument(once.json)), once);
  }
});
