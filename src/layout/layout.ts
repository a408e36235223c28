import type { Ingest, IngestOptions, IngestTarget } from '../content/ingest.ts';
import type { Lister, Place, Signalled } from '../content/transport.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';

/** An OCI image layout in a folder (image-spec, image-layout.md). */
export interface Layout extends Place, Lister, IngestTarget {
  /** absolute path of the folder */
  readonly dir: string;
  /** The entries of `index.json`, in its order, names as `org.opencontainers.image.ref.name`. */
  entries(options?: Signalled): Promise<readonly Descriptor[]>;
  /** The size of a blob that is there, or undefined. */
  blobSize(digest: Digest): Promise<number | undefined>;
  ingest(options?: IngestOptions): Promise<Ingest>;
  /** Takes a blob of another layout by hard link (or copy across file systems); false if it isn't there. */
  link(from: Layout, digest: Digest): Promise<boolean>;
  /** Adds an entry without a name, so that the manifest is kept; does nothing if it has an entry. */
  keep(descriptor: Descriptor, options?: Signalled): Promise<void>;
  /** Takes a name away and says what it named. The manifest stays, without a name, if `keep` is set. */
  untag(reference: string, options?: Signalled & { readonly keep?: boolean }): Promise<Descriptor | undefined>;
  /** Removes a manifest: all its entries and its bytes. False if it wasn't there. */
  removeManifest(digest: Digest, options?: Signalled): Promise<boolean>;
  /** Removes a blob's file. False if it wasn't there. */
  removeBlob(digest: Digest): Promise<boolean>;
  /** Removes blobs that no entry reaches and nobody is about to use, and what dead processes left. */
  prune(options?: PruneOptions): Promise<Pruned>;
  /** Ends the use of the folder: what was leased may be pruned from now on. */
  close(): Promise<void>;
}

export interface PruneOptions extends Signalled {
  /** also drop entries that have no name (the default keeps them) */
  readonly unnamed?: boolean;
  readonly dryRun?: boolean;
}

export interface Pruned {
  readonly blobs: readonly Digest[];
  /** bytes that were freed */
  readonly bytes: number;
  /** entries of `index.json` that were dropped */
  readonly entries: readonly Descriptor[];
}
