import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';

/** A JSON document that a test may still change. */
export type Json = Record<string, unknown>;

/** The bytes of a document. */
export function bytesOf(json: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(json));
}

/** A descriptor of some text. */
export function descriptorOf(text: string, mediaType: string): Json {
  return { mediaType, digest: digestOf(text), size: Buffer.byteLength(text) };
}

/** A whole manifest with every field that Slipway reads. */
export function manifestJson(): Json {
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: descriptorOf('{}', MEDIA_TYPE.ociConfig),
    layers: [
      descriptorOf('one', MEDIA_TYPE.ociLayerGzip),
      { ...descriptorOf('two', MEDIA_TYPE.ociLayerForeign), urls: ['https://foreign.test/two'] },
    ],
    subject: descriptorOf('subject', MEDIA_TYPE.ociManifest),
    artifactType: 'application/vnd.test',
    annotations: { 'org.opencontainers.image.title': 'a title' },
  };
}

/** A whole index with every field that Slipway reads. */
export function indexJson(): Json {
  const entry = descriptorOf('manifest', MEDIA_TYPE.ociManifest);
  return {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociIndex,
    manifests: [
      { ...entry, platform: { os: 'linux', architecture: 'arm', variant: 'v7' } },
      { ...entry, data: Buffer.from('manifest').toString('base64'), annotations: { a: 'b' } },
    ],
    annotations: { c: 'd' },
  };
}

/** A whole image config with every field that Slipway reads. */
export function configJson(): Json {
  return {
    os: 'linux',
    architecture: 'arm64',
    created: '2026-11-21T00:00:00Z',
    config: {
      User: 'nobody',
      Env: ['PATH=/bin'],
      Volumes: { '/data': {} },
      Labels: { version: '1' },
    },
    rootfs: { type: 'layers', diff_ids: [digestOf('one'), digestOf('two')] },
    history: [
      { created: '2026-11-21T00:00:00Z', created_by: 'COPY a b', comment: 'c', author: 'd' },
      { created_by: 'ENV x', empty_layer: true },
    ],
  };
}
