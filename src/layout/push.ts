import type { Open, PushOptions, PushOutcome } from '../content/transport.ts';
import { sizeMismatch } from '../content/verify.ts';
import { isSlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestAlgorithm } from '../oci/digest.ts';
import { freshen } from './blobs.ts';
import { startIngest } from './ingest.ts';
import type { Workspace } from './workspace.ts';

/** Writes a blob or manifest, unless it is there. See `Target.push`. */
export async function pushBlob(
  workspace: Workspace,
  descriptor: Descriptor,
  open: Open,
  { signal, onProgress }: PushOptions = {},
): Promise<PushOutcome> {
  const { digest, size } = descriptor;
  const lease = await workspace.lease({ signal });
  if (await freshen(workspace.dir, descriptor, lease)) return { status: 'present', bytesSent: 0 };
  const ingest = await startIngest(workspace, { algorithm: digestAlgorithm(digest), signal });
  try {
    for await (const chunk of open(0)) {
      const total = ingest.size + chunk.byteLength;
      if (total > size) throw sizeMismatch(descriptor, total, 'at least');
      await ingest.write(chunk);
      onProgress?.(total);
    }
    await ingest.commit({ digest, size });
  } catch (error) {
    await ingest.abort();
    const isAboutBytes = isSlipwayError(error, 'DIGEST_MISMATCH', 'SIZE_MISMATCH');
    throw isAboutBytes ? error.with({ side: 'source' }) : error;
  }
  return { status: 'uploaded', bytesSent: size };
}
