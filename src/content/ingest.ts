import type { Bytes, Room } from '../bytes/stream.ts';
import type { Digest, DigestAlgorithm } from '../oci/digest.ts';
import type { Signalled } from './transport.ts';

/**
 * A blob that is being written and that nobody can see yet. Its bytes are hashed as they come.
 */
export interface Ingest {
  /** bytes written so far */
  readonly size: number;
  /** Appends; returns when the bytes have been handed to the operating system. */
  write(chunk: Uint8Array): Promise<void>;
  /**
   * Reads what has been written. A reader that reaches the end of a blob that is still being
   * written waits for more until the end or the commit; after an abort it fails. Works after the
   * commit too. It reads into memory of its own, or `into` that of the reader.
   */
  open(offset: number, into?: Room): Bytes;
  /** Says that no more comes: readers come to their end, and the digest is known. */
  end(): { readonly digest: Digest; readonly size: number };
  /**
   * Makes the blob visible under its digest: checked against `expected`, on disk (fsync) before it
   * is renamed. A blob that is there already is kept.
   *
   * @throws SlipwayError `DIGEST_MISMATCH`, `SIZE_MISMATCH`; nothing is left behind then
   */
  commit(expected?: IngestExpectation): Promise<{ readonly digest: Digest; readonly size: number }>;
  /** Removes what was written. Does nothing after a commit. */
  abort(): Promise<void>;
}

export interface IngestExpectation {
  readonly digest?: Digest;
  /** bytes */
  readonly size?: number;
}

export interface IngestOptions extends Signalled {
  /** algorithm of the digest, sha256 if left out */
  readonly algorithm?: DigestAlgorithm;
}

/** A place that can take a blob before its digest is known, and be read at the same time. */
export interface IngestTarget {
  ingest(options?: IngestOptions): Promise<Ingest>;
}
