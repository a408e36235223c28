import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  describe as describeBytes,
  parseDescriptor,
  sameContent,
} from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { descriptorOf, type Json } from './documents.ts';

const GOOD = descriptorOf('hello', MEDIA_TYPE.ociLayer);

function refuses(change: Json): void {
  assert.throws(
    () => parseDescriptor({ ...GOOD, ...change }, 'layers[3]'),
    { code: 'CONTENT_INVALID', message: /^layers\[3\]/ },
    JSON.stringify(change),
  );
}

test('a descriptor is read with its fields and without strangers', () => {
  const json = {
    ...GOOD,
    urls: ['https://a.test/'],
    annotations: { a: 'b' },
    artifactType: 'a/b',
    platform: { os: 'linux', architecture: 'arm64' },
  };
  assert.deepEqual(parseDescriptor({ ...json, unknown: 1 }, 'it'), json);
  assert.deepEqual(
    parseDescriptor({ ...GOOD, urls: null, annotations: null, data: null, platform: null }, 'it'),
    GOOD,
  );
});

test('media types follow RFC 6838', () => {
  for (const mediaType of ['a/b', 'application/vnd.x+json', `a/${'b'.repeat(127)}`]) {
    assert.equal(parseDescriptor({ ...GOOD, mediaType }, 'it').mediaType, mediaType);
  }
  for (const mediaType of [
    '',
    'invalid',
    'a/',
    '/b',
    'a/b/c',
    'a/b; charset=utf-8',
    'a/.b',
    'a/*',
    'a/b\n',
    `a/${'b'.repeat(128)}`,
    undefined,
    null,
    5,
  ]) {
    refuses({ mediaType });
  }
});

test('sizes are whole numbers that can be counted', () => {
  for (const size of [-1, 1.5, '5', null, undefined, 2 ** 53, Infinity]) refuses({ size });
  assert.equal(parseDescriptor({ ...GOOD, size: 0 }, 'it').size, 0);
});

test('digests are of the closed list', () => {
  for (const digest of [undefined, null, '', 'sha256:x', 5, `md5:${'a'.repeat(32)}`, ['x']]) {
    refuses({ digest });
  }
});

test('the rest is refused if it is of a wrong kind', () => {
  refuses({ urls: 'https://a.test/' });
  refuses({ urls: [1] });
  refuses({ annotations: { a: 1 } });
  refuses({ annotations: 'a' });
  refuses({ platform: 'linux/amd64' });
  refuses({ platform: { os: 1, architecture: 'arm' } });
  refuses({ artifactType: {} });
  for (const json of [undefined, null, 'x', 1, []]) {
    assert.throws(() => parseDescriptor(json, 'it'), { code: 'CONTENT_INVALID' });
  }
});

test('embedded data is the content itself or refused', () => {
  const data = Buffer.from('hello').toString('base64');
  assert.equal(parseDescriptor({ ...GOOD, data }, 'it').data, data);
  refuses({ data: Buffer.from('hellp').toString('base64') });
  refuses({ data: Buffer.from('hello!').toString('base64') });
  refuses({ data, size: 4 });
  refuses({ data: '' });
  refuses({ data: 5 });
  refuses({ data: data.replace(/=+$/, '') });
  refuses({ data: `${data}\n` });
  refuses({ data: `*${data}` });
});

test('the descriptor of bytes in memory names them', () => {
  const descriptor = describeBytes(Buffer.from('hello'), MEDIA_TYPE.ociLayer);
  assert.deepEqual(descriptor, GOOD);
  assert.ok(sameContent(descriptor, { ...descriptor, mediaType: 'a/b' }));
  assert.ok(!sameContent(descriptor, { ...descriptor, size: 6 }));
  assert.ok(!sameContent(descriptor, { ...descriptor, digest: digestOf('other') }));
});
