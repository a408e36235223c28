import type { Writable } from 'node:stream';
import { createLane } from '../bytes/lane.ts';
import { type Bytes, collect, fromMemory } from '../bytes/stream.ts';
import { TAR_END, tarHeader, tarPadding } from '../bytes/tar-write.ts';
import { openAtSource } from '../content/side.ts';
import type { Open, PushOptions, Signalled, Target } from '../content/transport.ts';
import { verifiedOpen } from '../content/verify.ts';
import { SlipwayError } from '../errors.ts';
import { checkName } from '../layout/names.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, digestAlgorithm } from '../oci/digest.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import {
  childrenOf,
  encodeDocument,
  type ManifestDocument,
  parseManifest,
} from '../oci/manifest.ts';
import { isManifestType } from '../oci/mediatype.ts';
import { parseReference } from '../oci/reference.ts';
import { blobName, type ListedImage, listForDocker, listForOci } from './listing.ts';
import { openSink, type Sink } from './sink.ts';

/** An archive that is being written. */
export interface ArchiveTarget extends Target {
  /**
   * Writes the lists of images and makes the archive final. Pushes must have ended.
   *
   * @throws SlipwayError `UNSUPPORTED` for content that docker couldn't load in an archive of kind
   * `docker`; `NO_SPACE`, `FILE_NOT_FOUND`
   */
  finish(): Promise<void>;
  /** Drops what was written; a stream ends without its end marker. Does nothing after `finish`. */
  abort(): Promise<void>;
}

export interface CreateArchiveOptions extends Signalled {
  /**
   * `docker`: `manifest.json`, for docker load and docker-archive:. `oci`: an OCI layout, for
   * oci-archive:. `both`: one for all, as nerdctl and new docker save.
   */
  readonly kind: 'docker' | 'oci' | 'both';
}

/**
 * Starts an image archive: a file that appears under its name when it is whole, or a stream.
 *
 * Blobs are written as they are pushed, one after the other, each checked before the next; layers
 * stay compressed as they are. The same pushes in the same order make the same bytes.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `NO_SPACE`
 * @example
 * const archive = await createArchive('app.tar', { kind: 'both' });
 * try {
 *   await copyGraph(graph, archive);
 *   await archive.finish();
 * } finally {
 *   await archive.abort();
 * }
 */
export async function createArchive(
  to: string | Writable,
  { kind, signal }: CreateArchiveOptions,
): Promise<ArchiveTarget> {
  const sink = await openSink(to);
  const lane = createLane(1);
  const documents = new Map<Digest, ManifestDocument>();
  const roots = new Map<Digest, Descriptor>();
  const named = new Map<string, Descriptor>();
  const entries = createEntries(sink);
  let hasEnded = false;

  const putManifest = async (descriptor: Descriptor, bytes: Bytes): Promise<void> => {
    const content = await collect(bytes, DOCUMENT_LIMITS.manifestBytes, descriptor.digest);
    const document = parseManifest(content, descriptor.mediaType);
    if (kind !== 'docker') await entries.addBlob(descriptor, fromMemory(content));
    documents.set(descriptor.digest, document);
    roots.set(descriptor.digest, descriptor);
  };

  const has = (digest: Digest) => documents.has(digest) || entries.hasBlob(digest);

  const put = (descriptor: Descriptor, open: Open, options: PushOptions): Promise<boolean> =>
    lane.run(async () => {
      if (has(descriptor.digest)) return false;
      if (hasEnded) throw new SlipwayError('INTERNAL', `${sink.name} has been finished`);
      const checked = openAtSource(verifiedOpen(descriptor, open))(0);
      const bytes = watched(checked, [signal, options.signal], options.onProgress);
      if (isManifestType(descriptor.mediaType)) await putManifest(descriptor, bytes);
      else await entries.addBlob(descriptor, bytes);
      return true;
    }, options.signal);

  return {
    name: sink.name,
    exists: async ({ digest }) => has(digest),
    async push(descriptor, open, options = {}) {
      const isNew = await put(descriptor, open, options);
      return isNew
        ? { status: 'uploaded', bytesSent: descriptor.size }
        : { status: 'present', bytesSent: 0 };
    },
    async tag(descriptor, name, open, options = {}) {
      if (kind === 'oci') checkName(name);
      else parseReference(name);
      await put(descriptor, open, options);
      named.set(name, descriptor);
    },
    async finish() {
      await lane.run(async () => {
        if (hasEnded) return;
        signal?.throwIfAborted();
        const images = listImages(roots, documents, named);
        const written = { has, document: (digest: Digest) => documents.get(digest) };
        if (kind !== 'oci') {
          const list = listForDocker(images, written, kind === 'docker');
          await entries.addDocument('manifest.json', list);
        }
        if (kind !== 'docker') {
          await entries.addDocument('index.json', listForOci(images, kind === 'both'));
          await entries.addDocument('oci-layout', { imageLayoutVersion: '1.0.0' });
        }
        await sink.write(TAR_END);
        await sink.finish();
        hasEnded = true;
      });
    },
    async abort() {
      if (hasEnded) return;
      hasEnded = true;
      await sink.abort();
    },
  };
}

/** The images to list: what has a name, and manifests that no other one leads to. */
function listImages(
  roots: ReadonlyMap<Digest, Descriptor>,
  documents: ReadonlyMap<Digest, ManifestDocument>,
  named: ReadonlyMap<string, Descriptor>,
): readonly ListedImage[] {
  const below = new Set([...documents.values()].flatMap(childrenOf).map(({ digest }) => digest));
  const names = new Map<Digest, string[]>();
  for (const [name, { digest }] of named) names.set(digest, [...(names.get(digest) ?? []), name]);
  return [...roots.values()]
    .filter(({ digest }) => names.has(digest) || !below.has(digest))
    .map((descriptor) => ({ descriptor, names: (names.get(descriptor.digest) ?? []).toSorted() }))
    .toSorted(({ descriptor: a }, { descriptor: b }) => (a.digest < b.digest ? -1 : 1));
}

/** Writes entries into a tar file. */
function createEntries(sink: Sink) {
  const written = new Set<Digest>();
  const folders = new Set<string>();
  let isBroken = false;

  const add = async (name: string, sizeBytes: number, bytes: Bytes): Promise<void> => {
    if (isBroken) throw new SlipwayError('INTERNAL', `${sink.name} can't be written any further`);
    const start = sink.position;
    try {
      await sink.write(tarHeader({ name, sizeBytes }));
      for await (const chunk of bytes) await sink.write(chunk);
      await sink.write(tarPadding(sizeBytes));
    } catch (error) {
      isBroken = !sink.rewind(start);
      throw error;
    }
  };

  const addFolders = async (digest: Digest): Promise<void> => {
    for (const name of ['blobs/', `blobs/${digestAlgorithm(digest)}/`]) {
      if (folders.has(name)) continue;
      folders.add(name);
      await sink.write(tarHeader({ name, sizeBytes: 0, type: 'directory' }));
    }
  };

  return {
    hasBlob: (digest: Digest) => written.has(digest),
    async addBlob({ digest, size }: Descriptor, bytes: Bytes): Promise<void> {
      await addFolders(digest);
      await add(blobName(digest), size, bytes);
      written.add(digest);
    },
    async addDocument(name: string, json: object): Promise<void> {
      const bytes = encodeDocument(json);
      await add(name, bytes.byteLength, fromMemory(bytes));
    },
  };
}

async function* watched(
  bytes: Bytes,
  signals: readonly (AbortSignal | undefined)[],
  onProgress: PushOptions['onProgress'],
): Bytes {
  let count = 0;
  for await (const chunk of bytes) {
    for (const signal of signals) signal?.throwIfAborted();
    yield chunk;
    count += chunk.byteLength;
    onProgress?.(count);
  }
}
