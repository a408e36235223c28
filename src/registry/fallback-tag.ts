import { setTimeout as sleep } from 'node:timers/promises';
import { createLane, type Lane } from '../bytes/lane.ts';
import type { NoticeBoard } from '../content/announcements.ts';
import { appendToIndex } from '../content/index-append.ts';
import { mergeEntries, readIndex } from '../content/index-entries.ts';
import { writeIndex } from '../content/index-write.ts';
import type { ConditionTester, Signalled } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';
import { formatRepository } from '../oci/reference.ts';
import { refusesConditions } from './conditions.ts';
import { type RepositoryContext, whereIs } from './context.ts';
import { removeManifest } from './delete.ts';
import type { RegistryHost } from './host.ts';
import { fetchManifest, manifestExists, putManifest, resolveManifest } from './manifests.ts';
import { listTags } from './tags.ts';

/** The tag that stands for the list of what belongs to a manifest, where there is no API. */
export function fallbackTag(subject: Digest): string {
  return `${digestAlgorithm(subject)}-${digestHex(subject).slice(0, 64)}`;
}

/** What one process has to enter under one tag: it doesn't race itself. */
interface Entering {
  readonly lane: Lane;
  waiting: Descriptor[];
}

const ENTERING = new WeakMap<RegistryHost, Map<string, Entering>>();
/** Repositories in which a manifest could not be deleted. */
const KEEPING = new WeakMap<RegistryHost, Set<string>>();

/**
 * Enters a manifest into the list under its subject's fallback tag (distribution-spec, "Pushing
 * manifests with subject") so that others who do so at the same time lose none: by conditions where
 * the registry honours them, else by announcements. Where nothing can be deleted announcements would
 * stay for ever: there the list is read back, and again after a while.
 *
 * @throws SlipwayError `CONDITION_FAILED` if others change the list all the time
 */
export async function enterFallback(
  context: RepositoryContext,
  subject: Digest,
  entry: Descriptor,
  { signal }: Signalled,
): Promise<void> {
  const tag = fallbackTag(subject);
  const entering = enteringAt(context, tag);
  entering.waiting.push(entry);
  await entering.lane.run(async () => {
    // The first takes along what came while it waited.
    const entries = entering.waiting.splice(0);
    if (entries.length === 0) return;
    try {
      await enterAll(context, tag, entries, { signal });
    } catch (error) {
      // Each of the others tries for itself, and hears for itself why not.
      entering.waiting.push(...entries.filter(({ digest }) => digest !== entry.digest));
      throw error;
    }
  }, signal);
}

async function enterAll(
  context: RepositoryContext,
  tag: string,
  entries: readonly Descriptor[],
  options: Signalled,
): Promise<void> {
  const board = noticeBoard(context);
  const { entries: there } = await readIndex(board, tag, options);
  if (mergeEntries(there, entries) === there) return;
  const { host, repository } = context;
  const keeps = KEEPING.get(host)?.has(repository.path) ?? false;
  const { honoursConditions, deletesManifests } = host.traits.now;
  if (honoursConditions !== true && (keeps || deletesManifests === false)) {
    await enterAndLook(context, board, tag, entries, options);
  } else {
    await appendToIndex(board, tag, entries, { ...options, emit: context.emit });
  }
}

const MAX_ROUNDS = 20;
/** Longer than others take from reading a list to putting it, most of the time. */
const LOOK_AGAIN_MS = 500;

async function enterAndLook(
  context: RepositoryContext,
  board: NoticeBoard,
  tag: string,
  entries: readonly Descriptor[],
  { signal }: Signalled,
): Promise<void> {
  let looks = 0;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const current = await readIndex(board, tag, { signal });
    const merged = mergeEntries(current.entries, entries);
    if (merged !== current.entries) {
      looks = 0;
      await writeIndex(board, tag, { ...current, entries: merged }, { signal });
    } else if (++looks > 1) return;
    else await sleep(LOOK_AGAIN_MS * (0.5 + Math.random()), undefined, signal ? { signal } : {});
  }
  throw new SlipwayError(
    'CONDITION_FAILED',
    `${tag}: others change this list of what belongs to an image all the time`,
    { ...whereIs(context), side: 'destination', hint: 'run the same command again' },
  );
}

/** The repository without its list of what belongs to a manifest: that is what is made here. */
function noticeBoard(context: RepositoryContext): NoticeBoard & ConditionTester {
  const { host, repository } = context;
  return {
    name: formatRepository(repository),
    resolve: (reference, options) => resolveManifest(context, reference, options),
    fetch: (descriptor, options) => fetchManifest(context, descriptor, options),
    exists: (descriptor, options) => manifestExists(context, descriptor, options),
    async push(descriptor, open, options) {
      await putManifest(context, descriptor, descriptor.digest, open, { signal: options?.signal });
      return { status: 'uploaded', bytesSent: descriptor.size };
    },
    async tag(descriptor, reference, open, options) {
      await putManifest(context, descriptor, reference, open, options);
    },
    list: (options) => listTags(context, options),
    async removeManifest(digest, options) {
      try {
        return await removeManifest(context, digest, options);
      } catch (error) {
        if (isSlipwayError(error, 'UNSUPPORTED', 'DENIED', 'AUTH_REQUIRED')) {
          const paths = KEEPING.get(host) ?? new Set();
          KEEPING.set(host, paths.add(repository.path));
          if (error.code === 'UNSUPPORTED') host.traits.learn({ deletesManifests: false });
        }
        throw error;
      }
    },
    refusesConditions: (present, open, options) =>
      refusesConditions(context, present, open, options),
  };
}

function enteringAt({ host, repository }: RepositoryContext, tag: string): Entering {
  const all = ENTERING.get(host) ?? new Map<string, Entering>();
  ENTERING.set(host, all);
  const key = `${repository.path}:${tag}`;
  const entering = all.get(key) ?? { lane: createLane(1), waiting: [] };
  all.set(key, entering);
  return entering;
}
