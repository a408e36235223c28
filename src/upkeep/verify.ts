import { createLane } from '../bytes/lane.ts';
import { walk } from '../content/graph.ts';
import type { Source, Target } from '../content/transport.ts';
import { fetching, readDocument, verifiedOpen } from '../content/verify.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { parseConfig } from '../oci/config.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import { isConfigType, isNonDistributable } from '../oci/mediatype.ts';
import { type SettleOptions, settled } from './settle.ts';

export interface VerifyOptions extends SettleOptions {
  /** read and hash every byte; without it blobs are only looked for */
  readonly deep?: boolean;
  /** told after each piece */
  readonly onChecked?: (descriptor: Descriptor) => void;
}

/** What was found in order. */
export interface Verified {
  readonly root: Descriptor;
  readonly manifests: number;
  readonly blobs: number;
  /** bytes of all pieces */
  readonly bytes: number;
}

const AT_ONCE = 4;

/**
 * Proves that an image is whole where it is: its manifests are read and hashed, its configs are
 * read, and each blob is there (`deep`: and has the right bytes). What isn't there yet is waited
 * for, up to `waitMs`.
 *
 * @throws SlipwayError `NOT_FOUND`, `CONTENT_MISSING`, `DIGEST_MISMATCH`, `SIZE_MISMATCH`,
 * `CONTENT_INVALID`
 */
export async function verifyImage(
  place: Source & Pick<Target, 'exists'>,
  reference: string,
  options: VerifyOptions = {},
): Promise<Verified> {
  return await settled(() => verifyOnce(place, reference, options), options);
}

async function verifyOnce(
  place: Source & Pick<Target, 'exists'>,
  reference: string,
  { signal, deep = false, onChecked }: VerifyOptions,
): Promise<Verified> {
  /** What an image needs and isn't there is another thing than an image that isn't there. */
  const needed = async <T>(descriptor: Descriptor, read: () => Promise<T>): Promise<T> => {
    try {
      return await read();
    } catch (error) {
      if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
      throw missing(
        place.name,
        error.facts.digest ?? error.facts.reference ?? descriptor.digest,
        error,
      );
    }
  };
  const root = await place.resolve(reference, { signal });
  const { manifests, blobs } = await needed(root, () => walk(place, root, { signal }));
  for (const { document } of manifests) {
    if (document.kind === 'index' || !isConfigType(document.config.mediaType)) continue;
    const { config: blob } = document;
    const maxBytes = DOCUMENT_LIMITS.configBytes;
    const config = parseConfig(
      await needed(blob, () => readDocument(place, blob, { signal, maxBytes })),
    );
    if (config.diffIds.length !== document.layers.length) {
      throw new SlipwayError(
        'CONTENT_INVALID',
        `the image has ${document.layers.length} layers and its config names ${config.diffIds.length}`,
        { digest: document.config.digest },
      );
    }
  }
  const lane = createLane(AT_ONCE);
  const check = async (blob: Descriptor): Promise<void> => {
    if (!(await place.exists(blob, { signal }))) {
      if (isNonDistributable(blob.mediaType)) return;
      throw missing(place.name, blob.digest);
    }
    if (deep) {
      for await (const _ of verifiedOpen(blob, fetching(place, blob, { signal }))(0)) {
        signal?.throwIfAborted();
      }
    }
    onChecked?.(blob);
  };
  await Promise.all(blobs.map((blob) => lane.run(() => check(blob), signal)));
  return {
    root,
    manifests: manifests.length,
    blobs: blobs.length,
    bytes: [...manifests.map((node) => node.descriptor), ...blobs].reduce(
      (sum, { size }) => sum + size,
      0,
    ),
  };
}

function missing(place: string, digest: string, cause?: unknown): SlipwayError {
  return new SlipwayError('CONTENT_MISSING', `${place} does not have ${digest}`, {
    digest,
    hint: 'publish the image again; what is there is not sent twice',
    cause,
  });
}
