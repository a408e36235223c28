import type { Graph } from '../content/graph.ts';
import type { Survey } from '../content/survey.ts';
import { SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { Belonging, Destination, DestinationResult, Publication } from './publication.ts';

/** One image on its way to one destination. */
export interface Job {
  readonly graph: Graph;
  readonly destination: Destination;
  readonly belongsTo: Belonging | undefined;
  /** its registry, or its local place: what `--require` counts */
  readonly group: object | string;
  /** known at once, or when the last layer was made */
  root: Descriptor | undefined;
  /** what the place lacked; undefined if nothing had to be asked */
  survey: Survey | undefined;
  /** the top manifest is there under its digest */
  isPlaced: boolean;
  /** what the names stood for before, where that is known */
  readonly previous: Map<string, Descriptor>;
  /** what a name goes back to if the release fails; undefined: it was new */
  readonly restoreTo: Map<string, Digest | undefined>;
  /** names that were to be given to it, whatever came of it: an answer may have been lost */
  readonly tried: Set<string>;
  /** names that were given to it */
  readonly named: Set<string>;
  bytes: { sent: number; mounted: number; present: number };
  requests: number;
  durationMs: number;
  error: unknown;
}

/** All jobs of a publication, image by image. */
export function createJobs(publication: Publication): readonly Job[] {
  return publication.images.flatMap(({ graph, destinations, belongsTo }) =>
    destinations.map((destination) => ({
      graph,
      destination,
      belongsTo,
      group: destination.host ?? destination.target,
      root: undefined,
      survey: undefined,
      isPlaced: false,
      previous: new Map(),
      restoreTo: new Map(),
      tried: new Set<string>(),
      named: new Set<string>(),
      bytes: { sent: 0, mounted: 0, present: 0 },
      requests: 0,
      durationMs: 0,
      error: undefined,
    })),
  );
}

/** The name stood for this image before. */
export function wasNamed(job: Job, name: string): boolean {
  return job.root !== undefined && job.previous.get(name)?.digest === job.root.digest;
}

/** Nothing had to be done: the content was there, and so were the names. */
function wasPresent(job: Job): boolean {
  const wasPlaced = job.survey === undefined ? job.isPlaced : job.survey.isPresent;
  return wasPlaced && job.destination.names.every((name) => wasNamed(job, name));
}

/** What is told about a job whose destination didn't fail. */
export type Standing = 'published' | 'held' | 'skipped';

export function resultOf(job: Job, standing: Standing): DestinationResult {
  const { destination, root, bytes, belongsTo } = job;
  const failure = job.error === undefined ? undefined : asSlipwayError(job.error);
  const done = wasPresent(job) && job.named.size === 0 ? 'present' : standing;
  return {
    ref: destination.target.name,
    ...(root === undefined
      ? {}
      : { digest: root.digest, mediaType: root.mediaType, size: root.size }),
    ...(belongsTo === undefined ? {} : { subject: belongsTo.subject }),
    tags: destination.names.filter((name) => wasNamed(job, name) || job.named.has(name)),
    status: failure !== undefined ? 'failed' : done,
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

export function asSlipwayError(error: unknown): SlipwayError {
  if (error instanceof SlipwayError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new SlipwayError('INTERNAL', message, { cause: error });
}
