import { SlipwayError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import type { Job } from './job.ts';

/** What a tag must be before it is moved. A tag that is ours already always holds. */
export type Condition =
  /** `--if-absent`: free */
  | { readonly kind: 'absent' }
  /** `--if-digest`: it names this digest */
  | { readonly kind: 'digest'; readonly digest: Digest }
  /** a plan that is applied: each tag is as it was when the plan was made */
  | {
      readonly kind: 'planned';
      readonly tags: ReadonlyMap<string, ReadonlyMap<string, Digest | undefined>>;
    };

/** What the name must stand for; undefined: nothing. */
export function expectedAt(condition: Condition, job: Job, name: string): Digest | undefined {
  if (condition.kind === 'absent') return undefined;
  if (condition.kind === 'digest') return condition.digest;
  return condition.tags.get(job.destination.target.name)?.get(name);
}

/**
 * @param current what the name stands for now
 * @throws SlipwayError `CONDITION_FAILED`, with both digests
 */
export function checkCondition(
  condition: Condition,
  job: Job,
  name: string,
  current: Digest | undefined,
): void {
  if (current !== undefined && current === job.root?.digest) return;
  const expected = expectedAt(condition, job, name);
  if (current === expected) return;
  const { target } = job.destination;
  const found = current ?? 'not there';
  const wanted = expected === undefined ? 'it should be free' : `it should be ${expected}`;
  const ours = job.root === undefined ? '' : `; ${job.root.digest} was to be published`;
  throw new SlipwayError(
    'CONDITION_FAILED',
    `${target.name}:${name} is ${found}, and ${wanted}${ours}`,
    {
      side: 'destination',
      reference: name,
      ...(current === undefined ? {} : { digest: current }),
      hint:
        condition.kind === 'planned'
          ? 'the tag moved since the plan was made; make a new plan'
          : 'nothing was moved; look who published there, or leave the condition out',
    },
  );
}
