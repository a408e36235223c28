import { createLane } from '../bytes/lane.ts';
import { originOf } from '../content/graph.ts';
import { atSide } from '../content/side.ts';
import { type SurveyOptions, surveyGraph } from '../content/survey.ts';
import { isInRegistry } from '../content/transport.ts';
import type { Emit } from '../events.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import { createJobs, type Job } from './job.ts';
import { type LookOptions, lookAtAll } from './look.ts';
import type { Publication } from './publication.ts';

/** What has to happen to make a publication true. */
export interface Plan {
  /** every digest is known: the plan can be applied later */
  readonly isResolved: boolean;
  readonly destinations: readonly PlannedDestination[];
  /** bytes; what is to be compressed is counted raw, and what it becomes is not known */
  readonly totals: {
    readonly upload: number;
    readonly mount: number;
    readonly present: number;
    readonly compress: number;
  };
}

export interface PlannedDestination {
  /** `HOST/PATH`, a layout's folder, an archive's file */
  readonly ref: string;
  /** of the top manifest, if it is known */
  readonly digest?: Digest;
  readonly tags: readonly PlannedTag[];
  readonly pieces: readonly PlannedPiece[];
  /** layers that are to be compressed: diffID and raw size in bytes */
  readonly compress: readonly { readonly diffId: Digest; readonly size: number }[];
}

export interface PlannedTag {
  readonly name: string;
  /** undefined: it is new */
  readonly from?: Digest;
  /** undefined: known when the last layer is compressed */
  readonly to?: Digest;
}

export interface PlannedPiece {
  readonly kind: 'blob' | 'manifest';
  readonly digest: Digest;
  /** bytes */
  readonly size: number;
  readonly action: 'present' | 'mount' | 'upload';
  /** the repository that it can be mounted from */
  readonly from?: string;
}

export interface PlanOptions extends LookOptions {
  /** compress what isn't yet, so that every digest is known */
  readonly resolve?: boolean;
  readonly emit?: Emit;
}

const HEADS_AT_ONCE = 8;

/**
 * Looks what a publication needs. Nothing is sent to a destination but HEAD and GET.
 *
 * @throws SlipwayError what sources and destinations say; `CONDITION_FAILED`, `CONTENT_MISSING`
 */
export async function planPublication(
  publication: Publication,
  options: PlanOptions = {},
): Promise<Plan> {
  const { signal } = options;
  if (options.resolve === true) {
    for (const { graph } of publication.images) {
      await Promise.all(graph.pending.map((pending) => atSide('source', () => pending.make())));
    }
  }
  const jobs = createJobs(publication);
  await lookAtAll(jobs, options);
  signal?.throwIfAborted();
  for (const { error } of jobs) if (error !== undefined) throw error;
  const firsts = new Map<string, string>();
  const handled = new Set<string>();
  const destinations: PlannedDestination[] = [];
  for (const job of jobs) {
    destinations.push(await planJob(job, { ...options, firsts, handled }));
  }
  const sum = (action: PlannedPiece['action']): number =>
    destinations
      .flatMap(({ pieces }) => pieces)
      .reduce((total, piece) => total + (piece.action === action ? piece.size : 0), 0);
  const raw = new Map(
    destinations.flatMap(({ compress }) => compress.map((it) => [it.diffId, it.size])),
  );
  const plan: Plan = {
    isResolved: raw.size === 0,
    destinations,
    totals: {
      upload: sum('upload'),
      mount: sum('mount'),
      present: sum('present'),
      compress: [...raw.values()].reduce((total, size) => total + size, 0),
    },
  };
  const tags = destinations.flatMap((destination) => destination.tags);
  options.emit?.({
    type: 'plan',
    isResolved: plan.isResolved,
    destinations: destinations.length,
    tags: tags.filter(({ from, to }) => from === undefined || from !== to).length,
    ...plan.totals,
  });
  return plan;
}

interface Planning extends SurveyOptions {
  readonly resolve?: boolean;
  /** the first repository of a host that a blob goes to, by host and digest */
  readonly firsts: Map<string, string>;
  /** what an earlier image brings to the same place, by place and digest */
  readonly handled: Set<string>;
}

async function planJob(job: Job, planning: Planning): Promise<PlannedDestination> {
  const { graph, destination, isPlaced } = job;
  const { target, names } = destination;
  const isKnown = graph.pending.length === 0 || planning.resolve === true;
  const root = isKnown ? await atSide('source', () => graph.root()) : undefined;
  const tags = names.map((name): PlannedTag => {
    const from = job.previous.get(name)?.digest;
    return {
      name,
      ...(from === undefined ? {} : { from }),
      ...(root === undefined ? {} : { to: root.digest }),
    };
  });
  return {
    ref: target.name,
    ...(root === undefined ? {} : { digest: root.digest }),
    tags,
    pieces:
      root === undefined
        ? []
        : isPlaced
          ? [planned('manifest', root, 'present')]
          : await planPieces(job, planning),
    compress: isKnown
      ? []
      : graph.pending.map(({ from }) => ({ diffId: from.digest, size: from.size })),
  };
}

async function planPieces(job: Job, planning: Planning): Promise<readonly PlannedPiece[]> {
  const { graph, destination } = job;
  const { target, host } = destination;
  const exists = (descriptor: Descriptor): Promise<boolean> =>
    atSide('destination', () => target.exists(descriptor, planning));
  const survey = await surveyGraph(graph, exists, planning);
  const lane = createLane(HEADS_AT_ONCE);
  const path = isInRegistry(target) ? target.repository.path : undefined;
  const isFirst = (digest: Digest): boolean => {
    const key = `${target.name}\n${digest}`;
    return !planning.handled.has(key) && planning.handled.add(key).has(key);
  };
  const planBlob = async (blob: Descriptor): Promise<PlannedPiece> => {
    if (await exists(blob)) return planned('blob', blob, 'present');
    const key = `${host}\n${blob.digest}`;
    const first = planning.firsts.get(key);
    const origin = originOf(graph, blob.digest);
    const own = origin?.host === host ? origin?.path : undefined;
    const seen = isInRegistry(target) ? (await target.seenIn(blob))[0] : undefined;
    const from = own ?? first ?? seen;
    if (path !== undefined && first === undefined) planning.firsts.set(key, path);
    if (from === undefined || from === path) return planned('blob', blob, 'upload');
    return { ...planned('blob', blob, 'mount'), from };
  };
  const nodes = [...survey.manifests, ...(survey.isPresent ? [] : [survey.root])];
  const there = [...survey.present, ...(survey.isPresent ? [survey.root.descriptor] : [])];
  return [
    ...(await Promise.all(
      survey.blobs
        .filter(({ digest }) => isFirst(digest))
        .toSorted((a, b) => b.size - a.size)
        .map((blob) => lane.run(() => planBlob(blob), planning.signal)),
    )),
    ...there.map((manifest) => planned('manifest', manifest, 'present')),
    ...nodes
      .filter(({ descriptor }) => isFirst(descriptor.digest))
      .map(({ descriptor }) => planned('manifest', descriptor, 'upload')),
  ];
}

function planned(
  kind: PlannedPiece['kind'],
  { digest, size }: Descriptor,
  action: PlannedPiece['action'],
): PlannedPiece {
  return { kind, digest, size, action };
}
