import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type Digest, digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { type Owner, tempDir } from './lifetime.ts';

/** What a test's own layout says of a piece of content. */
export interface Added {
  readonly mediaType: string;
  readonly digest: Digest;
  /** bytes */
  readonly size: number;
}

/** An OCI layout that is written by hand, independent of the code that is tested. */
export interface HandmadeLayout {
  readonly dir: string;
  add(bytes: Uint8Array, mediaType: string): Promise<Added>;
  /** Adds a document, spaced as nobody else would space it. */
  addJson(json: unknown, mediaType: string): Promise<Added>;
  /** Writes `index.json` with one entry. */
  name(entry: Added, name: string): Promise<void>;
}

/** The file of a blob in a layout. */
export function blobFile(layout: string, digest: string): string {
  return path.join(layout, 'blobs', ...digest.split(':'));
}

/** Starts a layout in a folder of its own. */
export async function startLayout(owner: Owner): Promise<HandmadeLayout> {
  const dir = await tempDir(owner);
  await mkdir(path.join(dir, 'blobs/sha256'), { recursive: true });
  await writeFile(path.join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const add = async (bytes: Uint8Array, mediaType: string) => {
    const digest = digestOf(bytes);
    await writeFile(blobFile(dir, digest), bytes);
    return { mediaType, digest, size: bytes.byteLength };
  };
  return {
    dir,
    add,
    addJson: (json, mediaType) => add(Buffer.from(JSON.stringify(json, null, 3)), mediaType),
    async name(entry, name) {
      const annotations = { 'org.opencontainers.image.ref.name': name };
      const index = { schemaVersion: 2, manifests: [{ ...entry, annotations }] };
      await writeFile(path.join(dir, 'index.json'), JSON.stringify(index));
    },
  };
}

/** Adds an image of the given layers, which are uncompressed or whose diffIDs are told. */
export async function addImage(
  layout: HandmadeLayout,
  architecture: string,
  layers: readonly { readonly layer: Added; readonly diffId: Digest }[],
): Promise<Added> {
  const diffIds = layers.map(({ diffId }) => diffId);
  const config = await layout.addJson(
    { os: 'linux', architecture, rootfs: { type: 'layers', diff_ids: diffIds } },
    MEDIA_TYPE.ociConfig,
  );
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config,
    layers: layers.map(({ layer }) => layer),
  };
  return layout.addJson(manifest, MEDIA_TYPE.ociManifest);
}
