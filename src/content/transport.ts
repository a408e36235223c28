import type { Bytes, Room } from '../bytes/stream.ts';
import type { TransferStatus } from '../events.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/reference.ts';

/** What every call that can take long accepts. */
export interface Signalled {
  /** stops the work; the promise is then rejected with the signal's reason */
  readonly signal?: AbortSignal | undefined;
}

export interface FetchOptions extends Signalled {
  /** first byte wanted, 0 if left out */
  readonly offset?: number;
  /** the most that comes in one piece, where the source has the choice */
  readonly chunkBytes?: number | undefined;
  /** memory that the bytes may be read into; a source that has its own leaves it */
  readonly into?: Room | undefined;
}

/** Gives the bytes of content by its descriptor. */
export interface Fetcher {
  /**
   * The bytes of `descriptor` from `offset` on, as they are there: whoever uses them checks size
   * and digest. Failures (`NOT_FOUND`, `NETWORK` …) are thrown by the iteration.
   */
  fetch(descriptor: Descriptor, options?: FetchOptions): Bytes;
}

/** Finds what a name stands for. */
export interface Resolver {
  /**
   * The descriptor that `reference` (a tag or a digest of this place) names.
   *
   * @throws SlipwayError `NOT_FOUND`
   */
  resolve(reference: string, options?: Signalled): Promise<Descriptor>;
}

/** A place that images come from. */
export interface Source extends Fetcher, Resolver {
  /** the place for people: `HOST/PATH`, a folder, a file */
  readonly name: string;
}

/**
 * Opens content at an offset, as often as needed. This is what gives every transport retry, resume
 * and chunks.
 */
export type Open = (offset: number) => Bytes;

export interface PushOptions extends Signalled {
  /** Told the number of bytes that have been taken so far; it falls when a retry starts over. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  /** repositories of the same registry that hold the blob, best first */
  readonly mountFrom?: readonly string[] | undefined;
  /** the first of `mountFrom` surely holds it: it is mounted without looking whether it is there */
  readonly mountFirst?: boolean | undefined;
  /** send it without asking whether it is there: what was said about it proved wrong */
  readonly force?: boolean | undefined;
}

export interface TagOptions extends Signalled {
  /**
   * What the name must stand for now, or `absent`. A place that can't check it together with the
   * move moves the name all the same: whoever asks looks before.
   */
  readonly expected?: Digest | 'absent' | undefined;
}

/** What a push of one piece cost. */
export interface PushOutcome {
  readonly status: TransferStatus;
  readonly bytesSent: number;
  /** repository of the same registry that the blob was mounted from */
  readonly from?: string;
}

/** A place that images go to. */
export interface Target {
  /** the place for people: `HOST/PATH`, a folder, a file */
  readonly name: string;
  /** True if the content is there and, for a manifest, everything below it. */
  exists(descriptor: Descriptor, options?: Signalled): Promise<boolean>;
  /**
   * Makes the content be there. The target checks size and digest before anybody can see it,
   * and takes content that is there already for success.
   *
   * A repository of a registry is done with each chunk before it asks for the second one after it:
   * its memory may then be filled with other bytes.
   *
   * @throws SlipwayError `DIGEST_MISMATCH`, `SIZE_MISMATCH` (side source), and what the place says
   */
  push(descriptor: Descriptor, open: Open, options?: PushOptions): Promise<PushOutcome>;
  /** Lets `reference` (a tag of this place) name a manifest; `open` gives the manifest's bytes. */
  tag(descriptor: Descriptor, reference: string, open: Open, options?: TagOptions): Promise<void>;
}

/** A target that is also a source of what it holds. */
export type Place = Source & Target;

/** A target that can take a blob whose digest is told when all its bytes have been sent. */
export interface StreamTarget {
  /**
   * Sends `open(0)` while it is being made, then commits it as what `made` resolves to. It is done
   * with each chunk before it asks for the second one after it.
   */
  pushStream(made: Promise<Descriptor>, open: Open, options?: PushOptions): Promise<PushOutcome>;
}

/** A place whose names can be listed. */
export interface Lister {
  /** All names (tags), in the order of the place. */
  list(options?: Signalled): AsyncIterable<string>;
}

/** A place that forgets in time what has no name, unless it is told to keep it. */
export interface Keeper {
  /** Keeps a manifest that is there, without a name. */
  keep(descriptor: Descriptor, options?: Signalled): Promise<void>;
}

/** A target that is a repository of a registry: its siblings there can give it blobs. */
export interface InRegistry {
  readonly repository: RepositoryName;
  /** Paths of other repositories of the registry where the blob was seen, the latest first. */
  seenIn(descriptor: Descriptor): Promise<readonly string[]>;
}

/** True if `target` is a repository of a registry. */
export function isInRegistry(target: object): target is InRegistry {
  return 'repository' in target;
}

/** A place that counts what it asks its registry. */
export interface RequestCounter {
  /** requests that were sent so far, those for tokens left out */
  readonly requests: number;
}

/** True if `target` counts its requests. */
export function countsRequests(target: object): target is RequestCounter {
  return 'requests' in target;
}

/** A place that can take one name away and leave the others of the same content alone. */
export interface TagRemover {
  /** @throws SlipwayError `UNSUPPORTED` where the place has no way to do it */
  removeTag(reference: string, options?: Signalled): Promise<unknown>;
}

/** True if `target` can take single names away. */
export function canRemoveTags(target: object): target is TagRemover {
  return 'removeTag' in target;
}

/** A place that can forget a manifest. */
export interface ManifestRemover {
  /**
   * Removes a manifest with all its names. False if it wasn't there.
   *
   * @throws SlipwayError `UNSUPPORTED` where the place has no way to do it
   */
  removeManifest(digest: Digest, options?: Signalled): Promise<boolean>;
}

/** True if `target` can forget manifests. */
export function canRemoveManifests(target: object): target is ManifestRemover {
  return 'removeManifest' in target;
}

/** A place that knows which manifests belong to another one: signatures, attestations, SBOMs. */
export interface ReferrerLister {
  /** The manifests whose subject is `subject`, each digest once. */
  referrers(subject: Digest, options?: Signalled): Promise<readonly Descriptor[]>;
}

/** True if `source` knows what belongs to a manifest. */
export function canListReferrers(source: object): source is ReferrerLister {
  return 'referrers' in source;
}

/** True if the names of `place` can be listed. */
export function canList(place: object): place is Lister {
  return 'list' in place;
}

/** A target that can say whether it looks at what a name stands for before it moves it. */
export interface ConditionTester {
  /**
   * True if a condition that doesn't hold is refused; tried on a manifest that is there, which
   * changes nothing.
   */
  refusesConditions(present: Descriptor, open: Open, options?: Signalled): Promise<boolean>;
}

/** True if `target` can say whether it checks conditions. */
export function canTestConditions(target: object): target is ConditionTester {
  return 'refusesConditions' in target;
}

/** True if `target` has to be told to keep what has no name. */
export function canKeep(target: object): target is Keeper {
  return 'keep' in target;
}

/** True if `target` can take a blob before its digest is known. */
export function canStream(target: object): target is StreamTarget {
  return 'pushStream' in target;
}

/** A source that can tell what it has without reading it. */
export interface Looker {
  /** True if the piece itself is there; nothing is said about what it names. */
  has(descriptor: Descriptor, options?: Signalled): Promise<boolean>;
}

/** True if `source` can tell what it has. */
export function canLook(source: object): source is Looker {
  return 'has' in source;
}

/** True if the bytes of `target` can be read. */
export function canFetch(target: object): target is Fetcher {
  return 'fetch' in target;
}

/** True if names of `target` can be looked up. */
export function canResolve(target: object): target is Resolver {
  return 'resolve' in target;
}
