import { createLane } from '../bytes/lane.ts';
import { atSide } from '../content/side.ts';
import type { SurveyOptions } from '../content/survey.ts';
import { canResolve } from '../content/transport.ts';
import { checkWhole } from '../content/whole.ts';
import { isSlipwayError } from '../errors.ts';
import type { MovedTags } from '../state/moved-tags.ts';
import { type Condition, checkCondition } from './conditions.ts';
import { type Job, wasNamed } from './job.ts';

export interface LookOptions extends SurveyOptions {
  /** what tags must be before they are moved */
  readonly condition?: Condition;
  /** where old targets of tags are written down before the first one moves */
  readonly movedTags?: MovedTags;
}

/** The first look at each job; it tells also what is there already. */
export async function lookAtAll(jobs: readonly Job[], options: LookOptions): Promise<void> {
  const lane = createLane(LOOKS_AT_ONCE);
  await Promise.all(
    jobs.map((job) =>
      lane
        .run(() => look(job, options))
        .catch((error: unknown) => {
          job.error = error;
        }),
    ),
  );
}

const LOOKS_AT_ONCE = 8;

async function look(job: Job, options: LookOptions): Promise<void> {
  const { graph, destination } = job;
  const { signal, condition, movedTags } = options;
  const { target, names } = destination;
  if (canResolve(target)) {
    for (const name of names) {
      const current = await atSide('destination', () => target.resolve(name, { signal })).catch(
        (error: unknown) => ignoreUnseen(error, condition !== undefined),
      );
      if (current !== undefined) job.previous.set(name, current);
      // A release that was killed left its tag here: what counts is what was there before that.
      const unfinished = movedTags?.unfinished(target.name, name);
      const isLeft = unfinished !== undefined && unfinished.to === current?.digest;
      job.restoreTo.set(name, isLeft ? unfinished.from : current?.digest);
    }
  }
  if (graph.pending.length === 0 || condition !== undefined) {
    job.root = await atSide('source', () => graph.root());
  }
  if (condition !== undefined) {
    for (const name of names) checkCondition(condition, job, name, job.previous.get(name)?.digest);
  }
  if (job.root === undefined) return;
  const isNamed = names.length > 0 && names.every((name) => wasNamed(job, name));
  if (isNamed && (await isWhole(job))) {
    job.isPlaced = true;
    job.bytes.present = job.root.size;
    return;
  }
  if (graph.pending.length === 0) await checkWhole(graph, target, options);
}

/** A registry takes a tag with all content only; a folder may have lost some of it since. */
async function isWhole({ destination, root }: Job): Promise<boolean> {
  if (destination.host !== undefined || root === undefined) return true;
  return await destination.target.exists(root);
}

/** Some registries let nobody look at what isn't there; whether we may push is seen by pushing. */
function ignoreUnseen(error: unknown, mustSee: boolean): undefined {
  if (isSlipwayError(error, 'NOT_FOUND') || (!mustSee && isSlipwayError(error, 'DENIED'))) {
    return undefined;
  }
  throw error;
}
