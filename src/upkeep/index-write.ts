import { setTimeout as sleep } from 'node:timers/promises';
import { fromMemory } from '../bytes/stream.ts';
import type { Signalled, Source, Target } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { type CurrentIndex, encodeIndex, type IndexContent, readIndex } from './index-entries.ts';

/** Each lost race is one that another writer has won. */
export const MAX_ROUNDS = 200;
const PAUSE_MS = 40;

/** Lets a tag name an index; its entries' content has to be there. */
export async function writeIndex(
  target: Target,
  tag: string,
  index: IndexContent,
  options: Signalled & { readonly expected?: Digest | 'absent' } = {},
): Promise<Descriptor> {
  const { root, bytes } = encodeIndex(index);
  await target.tag(root, tag, (offset) => fromMemory(bytes, offset), options);
  return root;
}

/** What an index becomes. */
export type IndexChange = (index: CurrentIndex) => IndexContent;

/**
 * Reads the index that a tag names, which has to be one.
 *
 * @throws SlipwayError `NOT_FOUND`, `CONTENT_INVALID` if the tag names a single image
 */
export async function readExistingIndex(
  target: Source & Target,
  tag: string,
  options: Signalled = {},
): Promise<CurrentIndex & { readonly root: Descriptor }> {
  const current = await readIndex(target, tag, options);
  const { root } = current;
  if (root === undefined) throw notThere(target, tag);
  if (current.isIndex) return { ...current, root };
  throw new SlipwayError('CONTENT_INVALID', `${target.name}:${tag} is no index`, {
    side: 'destination',
    reference: tag,
    hint: `slipway index create ${target.name}:${tag} IMAGE… makes one`,
  });
}

/**
 * Changes the index that a tag names. Where the registry honours conditions, a change that somebody
 * else makes meanwhile is kept; elsewhere the last one counts.
 *
 * @throws SlipwayError `NOT_FOUND`, `CONTENT_INVALID` if the tag names a single image, and what
 * `change` throws
 */
export async function editIndex(
  target: Source & Target,
  tag: string,
  change: IndexChange,
  options: Signalled = {},
): Promise<Descriptor> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const current = await readExistingIndex(target, tag, options);
    const expected = current.root.digest;
    const changed = change(current);
    if (encodeIndex(changed).root.digest === expected) return current.root;
    try {
      return await writeIndex(target, tag, changed, { ...options, expected });
    } catch (error) {
      if (!isSlipwayError(error, 'CONDITION_FAILED')) throw error;
      await pause(options.signal);
    }
  }
  throw tooBusy(target, tag);
}

/** Writers that have met shall not meet again at once. */
export async function pause(signal: AbortSignal | undefined, times = 1): Promise<void> {
  const delayMs = PAUSE_MS * times * (0.5 + Math.random());
  await sleep(delayMs, undefined, signal === undefined ? {} : { signal });
}

/** The error for an index that others change faster than we can. */
export function tooBusy({ name }: { readonly name: string }, tag: string): SlipwayError {
  return new SlipwayError(
    'CONDITION_FAILED',
    `${name}:${tag} is changed by others all the time; this change could not be made for good`,
    { side: 'destination', reference: tag, hint: 'run the same command again' },
  );
}

function notThere({ name }: { readonly name: string }, tag: string): SlipwayError {
  return new SlipwayError('NOT_FOUND', `${name}:${tag} is not there`, {
    side: 'destination',
    reference: tag,
    hint: `slipway index create ${name}:${tag} IMAGE… makes it`,
  });
}
