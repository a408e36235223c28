import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  compressionOf,
  isConfigType,
  isImageManifestType,
  isIndexType,
  isLayerType,
  isManifestType,
  isNonDistributable,
  MANIFEST_MEDIA_TYPES,
  MEDIA_TYPE,
  withCompression,
} from '../../src/oci/mediatype.ts';

const ALL = Object.values(MEDIA_TYPE);

test('every type is of one kind only', () => {
  for (const mediaType of ALL) {
    const kinds = [isIndexType, isImageManifestType, isLayerType, isConfigType].filter((is) =>
      is(mediaType),
    );
    assert.equal(kinds.length, mediaType === MEDIA_TYPE.ociEmpty ? 0 : 1, mediaType);
    assert.equal(isManifestType(mediaType), MANIFEST_MEDIA_TYPES.includes(mediaType), mediaType);
  }
  for (const stranger of ['', 'application/json', 'toString', '__proto__']) {
    assert.ok(!isManifestType(stranger) && !isLayerType(stranger) && !isNonDistributable(stranger));
    assert.equal(compressionOf(stranger), undefined);
    assert.equal(withCompression(stranger, 'gzip'), undefined);
  }
});

test('a layer’s type says how it is compressed and who may have it', () => {
  assert.equal(compressionOf(MEDIA_TYPE.ociLayer), 'none');
  assert.equal(compressionOf(MEDIA_TYPE.dockerLayerGzip), 'gzip');
  assert.equal(compressionOf(MEDIA_TYPE.ociLayerForeignZstd), 'zstd');
  const foreign = ALL.filter(isNonDistributable);
  assert.deepEqual(
    foreign,
    ALL.filter((name) => /nondistributable|foreign/.test(name)),
  );
});

test('another compression keeps the family and the kind, and there and back is the same', () => {
  assert.equal(withCompression(MEDIA_TYPE.ociLayer, 'gzip'), MEDIA_TYPE.ociLayerGzip);
  assert.equal(withCompression(MEDIA_TYPE.dockerLayer, 'zstd'), MEDIA_TYPE.dockerLayerZstd);
  assert.equal(withCompression(MEDIA_TYPE.dockerLayerForeign, 'zstd'), undefined);
  for (const mediaType of ALL.filter(isLayerType)) {
    for (const compression of ['none', 'gzip', 'zstd'] as const) {
      const other = withCompression(mediaType, compression);
      if (other === undefined) continue;
      assert.equal(compressionOf(other), compression);
      assert.equal(isNonDistributable(other), isNonDistributable(mediaType));
      const own = compressionOf(mediaType);
      assert.ok(own !== undefined);
      assert.equal(withCompression(other, own), mediaType);
    }
  }
});
