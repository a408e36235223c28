import { putDocument } from '../build/image.ts';
import { storeLayer } from '../build/store-layer.ts';
import type { Bytes } from '../bytes/stream.ts';
import { copyGraph } from '../content/copy.ts';
import { addLabels } from '../content/derivations/labels.ts';
import { graphOf, readManifest } from '../content/graph.ts';
import type { Fetcher, Signalled } from '../content/transport.ts';
import { readDocument } from '../content/verify.ts';
import { SlipwayError } from '../errors.ts';
import type { Layout } from '../layout/layout.ts';
import { type ImageConfig as OciConfig, parseConfig } from '../oci/config.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { DOCUMENT_LIMITS, isJsonObject } from '../oci/json.ts';
import type { ImageManifest } from '../oci/manifest.ts';

/** A layer that is put on top of an image. */
export interface NewLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
  /** what made it, for its history */
  readonly createdBy: string;
}

/** An image of one platform, read. */
export interface ReadImage {
  readonly manifest: ImageManifest;
  readonly config: OciConfig;
}

/** @throws SlipwayError `CONTENT_INVALID` for an index, and what reading it says */
export async function readImage(
  source: Fetcher,
  root: Descriptor,
  options: Signalled,
): Promise<ReadImage> {
  const { document } = await readManifest(source, root, options);
  if (document.kind === 'index') {
    throw new SlipwayError('CONTENT_INVALID', `${root.digest} is no image of one platform`);
  }
  const maxBytes = DOCUMENT_LIMITS.configBytes;
  const bytes = await readDocument(source, document.config, { ...options, maxBytes });
  return { manifest: document, config: parseConfig(bytes) };
}

/** Puts a layer on top of an image of the store. */
export async function withLayer(
  store: Layout,
  root: Descriptor,
  { descriptor, diffId, createdBy }: NewLayer,
  options: Signalled,
): Promise<Descriptor> {
  const { manifest, config } = await readImage(store, root, options);
  const created = new Date().toISOString();
  const before = Array.isArray(config.json.history) ? config.json.history : [];
  const changed = {
    ...config.json,
    created,
    rootfs: { type: 'layers', diff_ids: [...config.diffIds, diffId] },
    history: [...before, { created, created_by: createdBy }],
  };
  const described = await putDocument(store, changed, manifest.config.mediaType, options);
  const layers = Array.isArray(manifest.json.layers) ? manifest.json.layers : [];
  const json = { ...manifest.json, config: described, layers: [...layers, descriptor] };
  const made = await putDocument(store, json, manifest.mediaType, options);
  await store.keep(made, options);
  return made;
}

/** Puts a layer that removes files on top of an image of the store. */
export async function withoutFiles(
  store: Layout,
  root: Descriptor,
  tar: () => Bytes,
  options: Signalled,
): Promise<Descriptor> {
  const settings = { format: 'gzip' } as const;
  const { descriptor, diffId } = await storeLayer(store, tar, { settings, ...options });
  return await withLayer(
    store,
    root,
    { descriptor, diffId, createdBy: 'git: remove files' },
    options,
  );
}

/** Adds labels to an image of the store, and gives it a name. */
export async function labelAndName(
  store: Layout,
  root: Descriptor,
  labels: Readonly<Record<string, string>>,
  name: string,
  options: Signalled,
): Promise<Descriptor> {
  const graph = await addLabels(graphOf(store, root, name), labels, options);
  const { root: node } = await copyGraph(graph, store, { ...options, nonDistributable: true });
  const open = (offset: number) => graph.source.fetch(node.descriptor, { offset });
  await store.tag(node.descriptor, name, open, options);
  // What has the name keeps all of it.
  await store.forget(root.digest, options);
  return node.descriptor;
}

/** The labels of an image, none for what has no config. */
export function labelsOf(config: OciConfig): Readonly<Record<string, string>> {
  return isJsonObject(config.json.config) ? config.labels : {};
}
