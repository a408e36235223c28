import { isSlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';

const CODES = new Set(['MANIFEST_BLOB_UNKNOWN', 'BLOB_UNKNOWN']);

/**
 * The blobs that a refused manifest lacks, as the registry says: those that it names, else all.
 * Empty if it was refused for another reason.
 */
export function missingBlobs(error: unknown, blobs: readonly Descriptor[]): readonly Descriptor[] {
  if (!isSlipwayError(error) || error.facts.side === 'source') return [];
  const said = (error.facts.registryErrors ?? []).filter(({ code }) => CODES.has(code));
  if (said.length === 0) return [];
  // The detail has many shapes; a digest is found in all of them.
  const text = JSON.stringify(said.map(({ message, detail }) => [message, detail]));
  const named = blobs.filter(({ digest }) => text.includes(digest));
  return named.length > 0 ? named : blobs;
}
