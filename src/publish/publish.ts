import { fromMemory } from '../bytes/stream.ts';
import { copyImages, type Delivery, type DeliveryOptions } from '../content/delivery.ts';
import { canTestConditions, countsRequests } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import { silent } from '../events.ts';
import { asSlipwayError, createJobs, type Job, resultOf } from './job.ts';
import { type LookOptions, lookAtAll } from './look.ts';
import type { Destination, DestinationResult, Publication } from './publication.ts';
import { checkRequire, type Require, standingJobs } from './require.ts';
import { restoreTags } from './restore.ts';
import { moveTags } from './tags.ts';

export interface PublishOptions extends Omit<DeliveryOptions, 'tops'>, LookOptions {
  /** how many registries must have all content before any tag moves; default `all` */
  readonly require?: Require;
}

/** What became of a publication. */
export interface PublishOutcome {
  readonly destinations: readonly DestinationResult[];
  /** bytes that were read from the sources; what was compressed on the way is not among them */
  readonly bytesRead: number;
  /** the failure to report, if any destination failed */
  readonly error?: SlipwayError;
}

/**
 * Makes a publication true: all content of all images at all destinations first, then their names,
 * all together. If any content can't be delivered, no name moves anywhere; if a name can't be
 * moved, those that were are put back. `require` lets some registries fail without the others.
 *
 * @throws the signal's reason if it is aborted; other failures are in the outcome
 */
export async function publish(
  publication: Publication,
  options: PublishOptions = {},
): Promise<PublishOutcome> {
  const { signal, require = 'all' } = options;
  const jobs = createJobs(publication);
  checkRequire(jobs, require);
  const clock = startClock(jobs);
  await lookAtAll(jobs, options);
  signal?.throwIfAborted();
  const begun = standingJobs(jobs, require);
  if (begun.length === 0) {
    clock.stop();
    return outcomeOf(jobs, [], 'skipped', 0);
  }
  const waiting = begun.filter(({ isPlaced }) => !isPlaced);
  const { delivery, at } = await deliver(waiting, jobs, options);
  const standing = standingJobs(jobs, require);
  if (options.condition !== undefined) await testConditions(standing, options);
  await moveTags(standing, delivery, at, options);
  const named = signal?.aborted === true ? [] : standingJobs(jobs, require);
  const back = standing.filter((job) => !named.includes(job));
  const stay = await putBack(back, options);
  for (const job of named) forgetMoves(job, options);
  signal?.throwIfAborted();
  clock.stop();
  return outcomeOf(jobs, named, 'held', delivery.bytesRead, stay);
}

/** Brings all content; what came of it stands in the jobs. */
async function deliver(
  waiting: readonly Job[],
  jobs: readonly Job[],
  options: PublishOptions,
): Promise<{ readonly delivery: Delivery; readonly at: ReadonlyMap<Job, number> }> {
  // One name of one image: the manifest goes straight there. More: they must all find it in place.
  const isSingle =
    options.condition === undefined && jobs.length === 1 && jobs[0]?.destination.names.length === 1;
  const delivery = await copyImages(
    waiting.map(({ graph, destination: { target, host }, belongsTo }) => ({
      graph,
      target,
      depth: belongsTo?.depth ?? 0,
      ...(host === undefined ? {} : { host }),
    })),
    { ...options, tops: !isSingle },
  );
  for (const [at, job] of waiting.entries()) {
    const { survey, isPlaced, bytes, error } = delivery.items[at] as Delivery['items'][number];
    job.survey = survey;
    job.root = survey?.root.descriptor ?? job.root;
    job.isPlaced = isPlaced;
    job.bytes = { ...bytes };
    job.error = error;
  }
  return { delivery, at: new Map(waiting.map((job, at) => [job, at])) };
}

/** Says where a condition is only looked at before the move, not together with it. */
async function testConditions(jobs: readonly Job[], options: PublishOptions): Promise<void> {
  const { signal, emit = silent } = options;
  const byGroup = Map.groupBy(jobs, ({ group }) => group);
  for (const group of byGroup.values()) {
    const job = group.find(
      ({ survey, destination }) => survey !== undefined && destination.names.length > 0,
    );
    const node = job?.survey?.root;
    if (job === undefined || node === undefined || !job.isPlaced) continue;
    const { target, host } = job.destination;
    if (!canTestConditions(target)) continue;
    const open = (offset: number) => fromMemory(node.bytes, offset);
    if (await target.refusesConditions(node.descriptor, open, { signal }).catch(() => false))
      continue;
    emit({
      type: 'warning',
      message: `${host ?? target.name} does not check a condition together with the move: a tag that another client moves within the same moment would be overwritten`,
    });
  }
}

/** Longest that names are put back after an interruption. */
const LAST_WORDS_MS = 1_500;

async function putBack(jobs: readonly Job[], options: PublishOptions): Promise<readonly string[]> {
  const isStopped = options.signal?.aborted === true;
  const signal = isStopped ? AbortSignal.timeout(LAST_WORDS_MS) : options.signal;
  const stay = await restoreTags(jobs, { ...options, signal });
  for (const job of jobs) forgetMoves(job, options, job.tried);
  return stay;
}

/** What has ended needs no way back. */
function forgetMoves(
  { destination: { target, names } }: Job,
  { movedTags }: PublishOptions,
  except: ReadonlySet<string> = new Set(),
): void {
  for (const name of names) if (!except.has(name)) movedTags?.forget(target.name, name);
}

function outcomeOf(
  jobs: readonly Job[],
  named: readonly Job[],
  otherwise: 'held' | 'skipped',
  bytesRead: number,
  stay: readonly string[] = [],
): PublishOutcome {
  const destinations = jobs.map((job) =>
    resultOf(job, named.includes(job) ? 'published' : otherwise),
  );
  const failed = jobs.filter((job) => job.error !== undefined);
  if (failed.length === 0) return { destinations, bytesRead };
  const first = asSlipwayError(failed[0]?.error);
  const isPartial = named.length > 0 || stay.length > 0;
  const error = isPartial ? partial(first, failed.length, jobs.length, stay) : first;
  return { destinations, bytesRead, error };
}

function partial(
  first: SlipwayError,
  failed: number,
  all: number,
  stay: readonly string[],
): SlipwayError {
  const left = stay.length === 0 ? '' : `; could not be put back: ${stay.join(', ')}`;
  return new SlipwayError(
    'PARTIAL',
    `${failed} of ${all} destinations failed; the first one: ${first.message}${left}`,
    { ...first.facts, cause: first },
  );
}

/** Counts time and requests; jobs of one repository share theirs, which stand at the first one. */
function startClock(jobs: readonly Job[]): { stop(): void } {
  const startedAt = performance.now();
  const firsts = new Map<string | object, { job: Job; before: number }>();
  for (const job of jobs) {
    const { target, host } = job.destination;
    const key = host === undefined ? target : target.name;
    if (!firsts.has(key)) firsts.set(key, { job, before: requestsOf(job.destination) });
  }
  return {
    stop() {
      for (const { job, before } of firsts.values()) {
        job.requests = requestsOf(job.destination) - before;
      }
      for (const job of jobs) job.durationMs = performance.now() - startedAt;
    },
  };
}

function requestsOf({ target }: Destination): number {
  return countsRequests(target) ? target.requests : 0;
}
