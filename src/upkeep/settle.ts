import { setTimeout as sleep } from 'node:timers/promises';
import type { Resolver, Signalled } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';

export interface SettleOptions extends Signalled {
  /** how long a place may take until it shows what was published; default 0 */
  readonly waitMs?: number;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/**
 * Repeats a look, ever more slowly, while what it looks for isn't there yet: registries show what
 * was just published late, for some answer from copies.
 *
 * @throws what the last look threw
 */
export async function settled<T>(
  look: () => Promise<T>,
  { waitMs = 0, signal }: SettleOptions,
): Promise<T> {
  const endAt = performance.now() + waitMs;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 1.7, LONGEST_PAUSE_MS)) {
    try {
      return await look();
    } catch (error) {
      const leftMs = endAt - performance.now();
      if (leftMs <= 0 || !mayPass(error)) throw error;
      await sleep(Math.min(pauseMs, leftMs), undefined, signal === undefined ? {} : { signal });
    }
  }
}

function mayPass(error: unknown): boolean {
  return isSlipwayError(error, 'NOT_FOUND', 'CONTENT_MISSING') || isStale(error);
}

function isStale(error: unknown): boolean {
  return isSlipwayError(error, 'DIGEST_MISMATCH') && error.facts.transient === true;
}

/**
 * Sees to it that a name stands for a digest, and waits for that if it has to.
 *
 * @throws SlipwayError `DIGEST_MISMATCH`, `NOT_FOUND`
 */
export async function verifyName(
  place: Resolver & { readonly name: string },
  name: string,
  digest: Digest,
  options: SettleOptions = {},
): Promise<Descriptor> {
  return await settled(async () => {
    const found = await place.resolve(name, { signal: options.signal });
    if (found.digest === digest) return found;
    throw new SlipwayError(
      'DIGEST_MISMATCH',
      `${place.name}: ${name} stands for ${found.digest}, and not for ${digest}`,
      {
        side: 'destination',
        reference: name,
        hint: 'somebody else may have published at the same time',
        transient: true,
      },
    );
  }, options);
}
