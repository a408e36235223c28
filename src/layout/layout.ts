import { resolve as resolvePath } from 'node:path';
import type { Ingest, IngestOptions, IngestTarget } from '../content/ingest.ts';
import type {
  Fetcher,
  Lister,
  Looker,
  ManifestRemover,
  Open,
  Place,
  ReferrerLister,
  Signalled,
  TagRemover,
} from '../content/transport.ts';
import { isSlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isManifestType } from '../oci/mediatype.ts';
import type { Lease } from '../state/lease.ts';
import { adoptFile } from './adopt.ts';
import { blobSize, fetchBlob, freshen, removeBlob } from './blobs.ts';
import { type Look, walkComplete } from './complete.ts';
import { createIndexFile, type Entry } from './index-json.ts';
import { startIngest } from './ingest.ts';
import { type LinkOptions, linkBlob } from './link.ts';
import { checkMarker, createLayout } from './marker.ts';
import { addUnnamed, checkName, nameOf, setName } from './names.ts';
import { type Pruned, type PruneOptions, pruneLayout } from './prune.ts';
import { pushBlob } from './push.ts';
import { referrersIn } from './referrers.ts';
import { resolveIn } from './resolve.ts';
import {
  type EnterOptions,
  enterManifest,
  forgetUnnamed,
  isAbout,
  removeManifest,
  untagName,
} from './tags.ts';
import { createWorkspace } from './workspace.ts';

export type { LinkOptions, Pruned, PruneOptions };

/** An OCI image layout in a folder (image-spec, image-layout.md). */
export interface Layout
  extends Place,
    Lister,
    Looker,
    TagRemover,
    ManifestRemover,
    ReferrerLister,
    IngestTarget {
  /** absolute path of the folder */
  readonly dir: string;
  /** The entries of `index.json`, in its order, names as `org.opencontainers.image.ref.name`. */
  entries(options?: Signalled): Promise<readonly Descriptor[]>;
  /** The size of a blob that is there, or undefined. */
  blobSize(digest: Digest): Promise<number | undefined>;
  ingest(options?: IngestOptions): Promise<Ingest>;
  /**
   * Takes a blob of another layout by hard link (or copy across file systems, and of files that
   * others may change); false if it isn't there.
   *
   * @throws SlipwayError `DIGEST_MISMATCH` (side source)
   */
  link(from: Layout, digest: Digest, options?: LinkOptions): Promise<boolean>;
  /**
   * Adds an entry without a name, so that the manifest is kept; does nothing if it has an entry.
   *
   * @throws SlipwayError `CONTENT_MISSING` if not all of the image is there
   */
  keep(descriptor: Descriptor, options?: EnterOptions): Promise<void>;
  /**
   * Like `tag` with any number of names, which all change in one step, or like `push` and `keep`
   * with none.
   *
   * @throws SlipwayError `CONTENT_MISSING` if not all of the image is there; what `allow` throws
   */
  enter(
    descriptor: Descriptor,
    references: readonly string[],
    open: Open,
    options?: EnterOptions,
  ): Promise<void>;
  /** Takes a name away and says what it named. The manifest stays, without a name, if `keep` is set. */
  untag(
    reference: string,
    options?: Signalled & { readonly keep?: boolean },
  ): Promise<Descriptor | undefined>;
  /** Takes away the entry that {@link keep} made; the manifest stays until the next prune. */
  forget(digest: Digest, options?: Signalled): Promise<void>;
  /** Removes a manifest: all its entries and its bytes. False if it wasn't there. */
  removeManifest(digest: Digest, options?: Signalled): Promise<boolean>;
  /**
   * Makes a finished file a blob, by rename where it is of the same file system. The caller has
   * hashed its bytes and has synced them to disk.
   */
  adopt(file: string, digest: Digest, options?: Signalled): Promise<void>;
  /** Removes a blob's file. False if it wasn't there. */
  removeBlob(digest: Digest): Promise<boolean>;
  /**
   * Removes blobs that no entry reaches and nobody is about to use, and what dead processes left.
   * What this Layout has itself pushed or found present counts as used until {@link close}.
   */
  prune(options?: PruneOptions): Promise<Pruned>;
  /** Ends the use of the folder: what was leased may be pruned from now on. */
  close(): Promise<void>;
}

export interface LayoutOptions {
  /** make the folder and an empty layout if there is none */
  readonly create?: boolean;
  /** only the owner may read what is made: folders 0700, files 0600 */
  readonly private?: boolean;
  /**
   * Protect from a prune that runs beside what this Layout resolves and finds present, not only
   * what it pushes. It writes to the folder; left out, it is done where `create` is set.
   */
  readonly lease?: boolean;
}

/** How often a manifest is pushed that others remove before it has its entry. */
const MAX_TRIES = 10;

/**
 * Opens an OCI image layout. Any number of processes may use one folder at the same time. Reading
 * writes nothing, so read-only folders can be read.
 *
 * @param dir the folder
 * @throws SlipwayError `FILE_NOT_FOUND` if there is no such folder, `ARCHIVE_INVALID` if it is no
 * layout, `NO_SPACE`
 * @example
 * const layout = await openLayout('out', { create: true });
 * await layout.tag(manifest, 'v1', (offset) => source.fetch(manifest, { offset }));
 * await layout.close();
 */
export async function openLayout(dir: string, options: LayoutOptions = {}): Promise<Layout> {
  const path = resolvePath(dir);
  const workspace = createWorkspace(path, options);
  const index = createIndexFile(workspace);
  if (options.create) await createLayout(workspace, index);
  else await checkMarker(path);
  const isLeased = options.lease ?? options.create ?? false;
  const source: Fetcher = { fetch: (descriptor, how) => fetchBlob(path, descriptor, how) };
  const sizeOf: Look = ({ digest }) => blobSize(path, digest);

  const resolve = async (reference: string, how: Signalled = {}) =>
    resolveIn(path, await index.entries(), reference, how);

  /** The lease, where there is to be one; a folder that can't be written has none. */
  const leaseToRead = async (how: Signalled): Promise<Lease | undefined> => {
    if (!isLeased) return undefined;
    try {
      return await workspace.lease(how);
    } catch (error) {
      if (isSlipwayError(error, 'FILE_NOT_FOUND', 'NO_SPACE')) return undefined;
      throw error;
    }
  };

  const exists = async (descriptor: Descriptor, how: Signalled = {}): Promise<boolean> => {
    const lease = await leaseToRead(how);
    const look: Look = async (blob) => {
      // Where there is a lease, looking at a blob means using it.
      if (lease !== undefined) await freshen(path, blob, lease);
      return sizeOf(blob);
    };
    if ((await look(descriptor)) !== descriptor.size) return false;
    if (!isManifestType(descriptor.mediaType)) return true;
    try {
      const { manifests } = await walkComplete(source, descriptor, look, how);
      for (const node of manifests) await look(node.descriptor);
      return true;
    } catch (error) {
      // What is incomplete or damaged isn't there, and a push may mend it.
      if (isSlipwayError(error)) return false;
      throw error;
    }
  };

  const enter: Layout['enter'] = async (descriptor, references, open, how = {}) => {
    for (const reference of references) checkName(reference);
    const change = (entries: readonly Entry[], below: ReadonlySet<Digest>) =>
      references.length === 0
        ? addUnnamed(entries, descriptor)
        : references.reduce((all, name) => setName(all, name, descriptor, below), entries);
    for (let tries = 1; ; tries++) {
      await pushBlob(workspace, descriptor, open, how);
      try {
        await enterManifest(workspace, index, source, descriptor, change, how);
        return;
      } catch (error) {
        // Somebody removed it since it was pushed, or found.
        const isGone = isSlipwayError(error, 'CONTENT_MISSING') && isAbout(error, descriptor);
        if (!isGone || tries === MAX_TRIES) throw error;
      }
    }
  };

  return {
    ...source,
    dir: path,
    name: dir,
    exists,
    entries: () => index.entries(),
    blobSize: (digest) => blobSize(path, digest),
    ingest: (how) => startIngest(workspace, how),
    push: (descriptor, open, how) => pushBlob(workspace, descriptor, open, how),
    link: (from, digest, how = {}) => linkBlob(workspace, from.dir, digest, how),
    has: async (descriptor) => (await sizeOf(descriptor)) === descriptor.size,
    untag: (reference, how = {}) => untagName(workspace, index, reference, how),
    removeTag: (reference, how = {}) => untagName(workspace, index, reference, how),
    forget: (digest, how = {}) => forgetUnnamed(workspace, index, digest, how),
    removeManifest: (digest, how = {}) => removeManifest(workspace, index, digest, how),
    adopt: (file, digest, how) => adoptFile(workspace, file, digest, how),
    removeBlob: (digest) => removeBlob(path, digest),
    referrers: async (subject, how = {}) => referrersIn(path, await index.entries(), subject, how),
    prune: (how = {}) => pruneLayout(workspace, index, how),
    close: () => workspace.close(),
    async *list() {
      yield* new Set((await index.entries()).map(nameOf).filter((name) => name !== undefined));
    },
    async resolve(reference, how = {}) {
      const lease = await leaseToRead(how);
      if (lease === undefined) return resolve(reference, how);
      return workspace.locked(async () => {
        const found = await resolve(reference, how);
        await lease.note(found.digest);
        return found;
      }, how);
    },
    tag: (descriptor, reference, open, how) => enter(descriptor, [reference], open, how),
    enter,
    async keep(descriptor, how = {}) {
      const change = (entries: readonly Entry[]) => addUnnamed(entries, descriptor);
      await enterManifest(workspace, index, source, descriptor, change, how);
    },
  };
}
