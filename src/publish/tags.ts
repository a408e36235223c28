import { createLane } from '../bytes/lane.ts';
import { fromMemory } from '../bytes/stream.ts';
import type { Delivery } from '../content/delivery.ts';
import { atSide } from '../content/side.ts';
import { canKeep, canResolve, type Signalled } from '../content/transport.ts';
import { isSlipwayError } from '../errors.ts';
import { type Emit, silent } from '../events.ts';
import type { Digest } from '../oci/digest.ts';
import { isIndexType } from '../oci/mediatype.ts';
import type { MovedTags } from '../state/moved-tags.ts';
import { type Condition, checkCondition, expectedAt } from './conditions.ts';
import { type Job, wasNamed } from './job.ts';

export interface MoveOptions extends Signalled {
  readonly emit?: Emit;
  readonly condition?: Condition;
  readonly movedTags?: MovedTags;
}

/** The tags of one repository and those of others move side by side, so many at once. */
const TAGS_AT_ONCE = 8;

/**
 * Lets the names point at the images, all together. What they stood for is written down before the
 * first one moves. After a failure no further name moves; the caller puts back what did.
 *
 * @param deliveredAt where each job stands in the delivery; none if nothing was missing
 */
export async function moveTags(
  jobs: readonly Job[],
  delivery: Delivery,
  deliveredAt: ReadonlyMap<Job, number>,
  options: MoveOptions,
): Promise<void> {
  const { movedTags, signal } = options;
  const moves = jobs.flatMap((job) =>
    job.survey === undefined
      ? []
      : job.destination.names
          .filter((name) => !(wasNamed(job, name) && job.isPlaced))
          .map((name) => ({ job, name })),
  );
  for (const { job, name } of moves) {
    const { target } = job.destination;
    const to = job.root?.digest as Digest;
    movedTags?.record(target.name, name, { from: job.restoreTo.get(name), to });
  }
  const lane = createLane(TAGS_AT_ONCE);
  let isStopped = false;
  const attempt = async (job: Job, work: () => Promise<void>): Promise<void> => {
    if (isStopped || signal?.aborted === true) return;
    try {
      await atSide('destination', work);
    } catch (error) {
      isStopped = true;
      job.error ??= error;
    }
  };
  await Promise.all(jobs.map((job) => attempt(job, () => keepNameless(job, options))));
  // Some registries don't see an image for a moment while it gets a name: an index that has it waits.
  const isList = ({ job }: (typeof moves)[number]) => isIndexType(job.root?.mediaType ?? '');
  for (const wave of [moves.filter((each) => !isList(each)), moves.filter(isList)]) {
    await Promise.all(
      wave.map(({ job, name }) =>
        lane.run(() =>
          attempt(job, () => move(job, name, delivery, deliveredAt.get(job) ?? 0, options)),
        ),
      ),
    );
  }
}

async function keepNameless(job: Job, { signal }: MoveOptions): Promise<void> {
  const { target, names } = job.destination;
  if (names.length > 0 || job.root === undefined || !canKeep(target)) return;
  if (job.isPlaced) await target.keep(job.root, { signal });
}

async function move(
  job: Job,
  name: string,
  delivery: Delivery,
  at: number,
  options: MoveOptions,
): Promise<void> {
  const { signal, emit = silent, condition } = options;
  const { target } = job.destination;
  const node = job.survey?.root;
  if (node === undefined) return;
  const { descriptor } = node;
  let expected: Digest | 'absent' | undefined;
  if (condition !== undefined) {
    const current = await currentDigest(job, name, signal);
    checkCondition(condition, job, name, current);
    const isOurs = current === descriptor.digest;
    expected = isOurs ? current : (expectedAt(condition, job, name) ?? 'absent');
  }
  const open = (offset: number) => fromMemory(node.bytes, offset);
  job.tried.add(name);
  try {
    await delivery.mended(at, node, () =>
      target.tag(descriptor, name, open, {
        signal,
        ...(expected === undefined ? {} : { expected }),
      }),
    );
  } catch (error) {
    throw await explained(error, job, name, options);
  }
  job.named.add(name);
  job.bytes.sent += descriptor.size;
  const previous = job.previous.get(name)?.digest;
  emit({
    type: 'tag',
    target: target.name,
    reference: name,
    digest: descriptor.digest,
    ...(previous === undefined ? {} : { previous }),
    changed: true,
  });
}

/** A condition that the registry itself found broken is told with both digests. */
async function explained(
  error: unknown,
  job: Job,
  name: string,
  { condition, signal }: MoveOptions,
): Promise<unknown> {
  if (condition === undefined || !isSlipwayError(error)) return error;
  if (error.facts.status !== 412) return error;
  const current = await currentDigest(job, name, signal).catch(() => undefined);
  try {
    checkCondition(condition, job, name, current);
  } catch (explanation) {
    return explanation;
  }
  return error;
}

/** What a name stands for now; undefined if it is free. */
export async function currentDigest(
  job: Job,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Digest | undefined> {
  const { target } = job.destination;
  if (!canResolve(target)) return undefined;
  try {
    return (await target.resolve(name, { signal })).digest;
  } catch (error) {
    if (isSlipwayError(error, 'NOT_FOUND')) return undefined;
    throw error;
  }
}
