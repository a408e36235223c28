import type { Graph } from '../content/graph.ts';
import type { Target } from '../content/transport.ts';
import type { Digest } from '../oci/digest.ts';

/** What should be true at the end: these images, at these places, under these names. */
export interface Publication {
  readonly images: readonly PublishedImage[];
}

/** One image and everywhere that it should be. */
export interface PublishedImage {
  readonly graph: Graph;
  readonly destinations: readonly Destination[];
  /** set for a signature, an attestation and the like, which come along with another image */
  readonly belongsTo?: Belonging;
}

export interface Belonging {
  /** digest of the manifest that it belongs to */
  readonly subject: Digest;
  /** 1 for what belongs to an image, 2 for what belongs to that …; put in this order */
  readonly depth: number;
}

/** A place, and the names that the image should have there. */
export interface Destination {
  readonly target: Target;
  /** tags of a repository, names in a layout or archive; without any it is put by digest */
  readonly names: readonly string[];
  /** the registry's host: what goes to one host shares its blobs by mounting */
  readonly host?: string;
}

/** How a destination came out. */
export interface DestinationResult {
  /** `HOST/PATH`, a layout's folder, an archive's file */
  readonly ref: string;
  readonly digest?: string;
  readonly mediaType?: string;
  /** bytes of the top manifest */
  readonly size?: number;
  /** the manifest that this one belongs to, if it came along with another image */
  readonly subject?: string;
  /** names that stand for it now */
  readonly tags: readonly string[];
  /**
   * `present`: everything was there already; `held`: all content is there, and names were not moved
   * or were put back because another destination failed; `skipped`: that was known before anything
   * was sent
   */
  readonly status: 'published' | 'present' | 'held' | 'skipped' | 'failed';
  readonly bytesSent: number;
  readonly bytesMounted: number;
  readonly bytesPresent: number;
  /**
   * requests to the registry, those for tokens left out; 0 for local places. Images of one
   * repository share them: they stand at the first one
   */
  readonly requests: number;
  readonly durationMs: number;
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
}
