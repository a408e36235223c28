import { fromMemory } from '../bytes/stream.ts';
import { canFetch, canRemoveTags, canResolve, type Signalled } from '../content/transport.ts';
import { readDocument } from '../content/verify.ts';
import { SlipwayError } from '../errors.ts';
import { type Emit, silent } from '../events.ts';
import type { Digest } from '../oci/digest.ts';
import type { MovedTags } from '../state/moved-tags.ts';
import type { Job } from './job.ts';
import { currentDigest } from './tags.ts';

export interface RestoreOptions extends Signalled {
  readonly emit?: Emit;
  readonly movedTags?: MovedTags;
}

/**
 * Puts back the names that a failed release moved, where they still stand for what it published:
 * to what they stood for before, or away, where they were new.
 *
 * @returns the names that stay, as `HOST/PATH:TAG`, with the reason
 */
export async function restoreTags(
  jobs: readonly Job[],
  options: RestoreOptions,
): Promise<readonly string[]> {
  const { emit = silent, movedTags } = options;
  const stay: string[] = [];
  for (const job of jobs) {
    const { target } = job.destination;
    for (const name of job.tried) {
      const to = job.restoreTo.get(name);
      try {
        const isOurs = await restore(job, name, to, options);
        job.named.delete(name);
        job.tried.delete(name);
        movedTags?.forget(target.name, name);
        if (!isOurs) continue;
        emit({
          type: 'tag.restored',
          target: target.name,
          reference: name,
          from: job.root?.digest as Digest,
          ...(to === undefined ? {} : { to }),
        });
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        const tag = `${target.name}:${name}`;
        const isKnown = job.named.has(name);
        if (isKnown) stay.push(tag);
        const back = to === undefined ? '' : ` to ${to}`;
        emit({
          type: 'warning',
          message: isKnown
            ? `${tag} stays at ${job.root?.digest}, it could not be put back${back}: ${reason}`
            : `whether ${tag} was moved to ${job.root?.digest} is not known: ${reason}`,
        });
      }
    }
  }
  return stay;
}

/** False if somebody else has moved it since. */
async function restore(
  job: Job,
  name: string,
  to: Digest | undefined,
  { signal }: RestoreOptions,
): Promise<boolean> {
  const { target } = job.destination;
  const ours = job.root?.digest;
  if (to === ours) return false;
  if ((await currentDigest(job, name, signal)) !== ours) return false;
  if (to === undefined) {
    if (!canRemoveTags(target)) throw cannot('this place can take no single tag away');
    await target.removeTag(name, { signal });
    return true;
  }
  if (!canResolve(target) || !canFetch(target)) throw cannot('this place can not be read');
  const before = await target.resolve(to, { signal });
  const bytes = await readDocument(target, before, { signal });
  const expected = ours === undefined ? {} : { expected: ours };
  await target.tag(before, name, (offset) => fromMemory(bytes, offset), { signal, ...expected });
  return true;
}

function cannot(why: string): SlipwayError {
  return new SlipwayError('UNSUPPORTED', why, { side: 'destination' });
}
