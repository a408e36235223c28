import { fromMemory } from '../bytes/stream.ts';
import { copyGraph } from '../content/copy.ts';
import type { Graph, ManifestNode } from '../content/graph.ts';
import { atSide } from '../content/side.ts';
import { canKeep, canResolve, type Signalled } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { type Emit, silent } from '../events.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Destination, DestinationResult, Publication } from './publication.ts';

export interface PublishOptions extends Signalled {
  readonly emit?: Emit;
  /** also publish layers that their owner doesn't allow to be redistributed */
  readonly nonDistributable?: boolean;
}

/** What became of a publication. */
export interface PublishOutcome {
  readonly destinations: readonly DestinationResult[];
  /** the failure to report, if any destination failed */
  readonly error?: SlipwayError;
}

/**
 * Makes a publication true: all content of all images at all destinations first, then top
 * manifests and names, all together. If any content can't be delivered, no name moves anywhere.
 *
 * Destinations on different hosts are served side by side; those on one host in turn, so that the
 * second one mounts what the first one got.
 *
 * @throws the signal's reason if it is aborted; other failures are in the outcome
 */
export async function publish(
  publication: Publication,
  options: PublishOptions = {},
): Promise<PublishOutcome> {
  const jobs = publication.images.flatMap(({ graph, destinations }) =>
    destinations.map((destination) => createJob(graph, destination)),
  );
  await byHost(jobs, (job) => attempt(job, options, () => deliver(job, options)));
  const undelivered = jobs.find((job) => job.error !== undefined);
  if (undelivered === undefined) {
    await byHost(jobs, (job) => attempt(job, options, () => nameIt(job, options)));
  }
  const failed = jobs.filter((job) => job.error !== undefined);
  const results = jobs.map((job) => resultOf(job, undelivered !== undefined));
  if (failed.length === 0) return { destinations: results };
  const first = asSlipwayError(failed[0]?.error);
  const isPartial = undelivered === undefined && failed.length < jobs.length;
  return { destinations: results, error: isPartial ? partial(first, failed, jobs) : first };
}

interface Job {
  readonly graph: Graph;
  readonly destination: Destination;
  root: Descriptor | undefined;
  /** read when content had to be copied; undefined if everything was there */
  node: ManifestNode | undefined;
  /** the top manifest is there under its digest */
  isPlaced: boolean;
  /** what the names stood for before, where that is known */
  previous: Map<string, Descriptor>;
  /** names that were given to it */
  readonly named: Set<string>;
  bytes: { sent: number; mounted: number; present: number };
  requests: number;
  durationMs: number;
  error: unknown;
}

function createJob(graph: Graph, destination: Destination): Job {
  return {
    graph,
    destination,
    root: undefined,
    node: undefined,
    isPlaced: false,
    previous: new Map(),
    named: new Set(),
    bytes: { sent: 0, mounted: 0, present: 0 },
    requests: 0,
    durationMs: 0,
    error: undefined,
  };
}

/** Looks what the names stand for, and copies all content but the top manifest. */
async function deliver(job: Job, options: PublishOptions): Promise<void> {
  const { graph, destination } = job;
  const { target, names } = destination;
  if (canResolve(target)) {
    for (const name of names) {
      const current = await atSide('destination', () => target.resolve(name, options)).catch(
        ignoreUnseen,
      );
      if (current !== undefined) job.previous.set(name, current);
    }
  }
  if (graph.pending.length === 0) {
    job.root = await atSide('source', () => graph.root());
    if (names.length > 0 && names.every((name) => wasNamed(job, name)) && (await isWhole(job))) {
      job.bytes.present = job.root.size;
      return;
    }
  }
  const copied = await copyGraph(graph, target, {
    ...options,
    includeRoot: false,
    ...mountSource(job),
  });
  job.root = copied.root.descriptor;
  job.node = copied.root;
  job.isPlaced = copied.isPresent;
  job.bytes = {
    sent: copied.bytesSent,
    mounted: copied.bytesMounted,
    present: copied.bytesPresent,
  };
}

/** A registry takes a tag with all content only; a folder may have lost some of it since. */
async function isWhole({ destination, root }: Job): Promise<boolean> {
  if (destination.host !== undefined || root === undefined) return true;
  return await destination.target.exists(root);
}

/** Puts the top manifest and lets the names point at it. */
async function nameIt(job: Job, options: PublishOptions): Promise<void> {
  await atSide('destination', () => putAndName(job, options));
}

async function putAndName(job: Job, options: PublishOptions): Promise<void> {
  const { node, destination } = job;
  const { emit = silent } = options;
  const { target, names } = destination;
  if (node === undefined) return;
  const { descriptor } = node;
  const open = (offset: number) => fromMemory(node.bytes, offset);
  // One name: the manifest goes straight there. More: they must all find it in place.
  if (names.length !== 1 && !job.isPlaced) {
    const outcome = await target.push(descriptor, open, options);
    job.bytes.sent += outcome.bytesSent;
  }
  if (names.length === 0 && canKeep(target)) await target.keep(descriptor, options);
  for (const name of names) {
    if (wasNamed(job, name) && job.isPlaced) continue;
    await target.tag(descriptor, name, open, options);
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
}

function wasNamed(job: Job, name: string): boolean {
  return job.root !== undefined && job.previous.get(name)?.digest === job.root.digest;
}

function isNamed(job: Job, name: string): boolean {
  return wasNamed(job, name) || job.named.has(name);
}

/** Nothing had to be done: the content was there, and so were the names. */
function wasPresent(job: Job): boolean {
  const wereNamed = job.destination.names.every((name) => wasNamed(job, name));
  return wereNamed && (job.node === undefined || job.isPlaced);
}

function mountSource({ graph, destination }: Job): { mountFrom?: readonly string[] } {
  if (graph.from === undefined || graph.from.host !== destination.host) return {};
  return { mountFrom: [graph.from.path] };
}

async function attempt(
  job: Job,
  options: PublishOptions,
  work: () => Promise<void>,
): Promise<void> {
  const startedAt = performance.now();
  // Jobs of one repository come one after the other, and it counts for all of them.
  const requestsBefore = requestsOf(job.destination);
  try {
    await work();
  } catch (error) {
    options.signal?.throwIfAborted();
    job.error = error;
  }
  job.requests += requestsOf(job.destination) - requestsBefore;
  job.durationMs += performance.now() - startedAt;
}

/** Works on the hosts side by side, and on the jobs of one host in their order. */
async function byHost(jobs: readonly Job[], work: (job: Job) => Promise<void>): Promise<void> {
  const groups = Map.groupBy(jobs, ({ destination }) => destination.host ?? destination.target);
  await Promise.all(
    [...groups.values()].map(async (group) => {
      for (const job of group) await work(job);
    }),
  );
}

function statusOf(job: Job, isHeld: boolean): DestinationResult['status'] {
  if (wasPresent(job)) return 'present';
  return isHeld ? 'held' : 'published';
}

function resultOf(job: Job, isHeld: boolean): DestinationResult {
  const { destination, root, bytes, error } = job;
  const failure = error === undefined ? undefined : asSlipwayError(error);
  return {
    ref: destination.target.name,
    ...(root === undefined
      ? {}
      : { digest: root.digest, mediaType: root.mediaType, size: root.size }),
    tags: destination.names.filter((name) => isNamed(job, name)),
    status: failure !== undefined ? 'failed' : statusOf(job, isHeld),
    bytesSent: bytes.sent,
    bytesMounted: bytes.mounted,
    bytesPresent: bytes.present,
    requests: job.requests,
    durationMs: Math.round(job.durationMs),
    ...(failure === undefined
      ? {}
      : {
          error: {
            code: failure.code,
            message: failure.message,
            ...(failure.hint === undefined ? {} : { hint: failure.hint }),
          },
        }),
  };
}

function requestsOf({ target }: Destination): number {
  const { requests } = target as { requests?: unknown };
  return typeof requests === 'number' ? requests : 0;
}

function asSlipwayError(error: unknown): SlipwayError {
  if (error instanceof SlipwayError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new SlipwayError('INTERNAL', message, { cause: error });
}

function partial(first: SlipwayError, failed: readonly Job[], jobs: readonly Job[]): SlipwayError {
  return new SlipwayError(
    'PARTIAL',
    `${failed.length} of ${jobs.length} destinations failed; the first one: ${first.message}`,
    { ...first.facts, cause: first },
  );
}

/** Some registries let nobody look at what isn't there; whether we may push is seen by pushing. */
function ignoreUnseen(error: unknown): undefined {
  if (isSlipwayError(error, 'NOT_FOUND', 'DENIED')) return undefined;
  throw error;
}
