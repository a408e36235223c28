import type { Signalled } from '../content/transport.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { isManifestType } from '../oci/mediatype.ts';
import { subjectOf } from './reachable.ts';
import { describeManifest } from './resolve.ts';

/** The entries whose subject is `subject` (image-spec, manifest.md), each digest once. */
export async function referrersIn(
  dir: string,
  entries: readonly Descriptor[],
  subject: Digest,
  { signal }: Signalled,
): Promise<readonly Descriptor[]> {
  const digests = new Set(
    entries.filter(({ mediaType }) => isManifestType(mediaType)).map(({ digest }) => digest),
  );
  const found: Descriptor[] = [];
  for (const digest of digests) {
    signal?.throwIfAborted();
    if ((await subjectOf(dir, digest)) !== subject) continue;
    found.push(await describeManifest(dir, digest, { signal }));
  }
  return found;
}
