import { copyGraph } from '../content/copy.ts';
import { graphOf } from '../content/graph.ts';
import { isSlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Repository } from '../registry/repository.ts';
import type { GitMapping } from './config.ts';
import { mappingChecksum } from './git-files.ts';
import { type DimgSession, stageName } from './session.ts';
import { labelsOf, readImage } from './stage-image.ts';
import type { MappedCommits, Stage } from './stages.ts';

/** What is to happen with stages that aren't in the store: `leave` only looks for them. */
export type Missing = 'build' | 'leave';

/** A stage that is looked for. */
export interface WantedStage {
  readonly signature: string;
  /** for people */
  readonly title: string;
  /** whose files are in it */
  readonly mappings: readonly GitMapping[];
  /** the repository of a mapping doesn't have this commit */
  isLost(mapping: GitMapping, commit: string): Promise<boolean>;
}

/** Tells of each commit once that stages have and the repository hasn't. */
export function createLostCommits({
  sources,
  emit,
}: Pick<DimgSession, 'sources' | 'emit'>): WantedStage['isLost'] {
  const known = new Map<string, Promise<boolean>>();
  const look = async (mapping: GitMapping, commit: string): Promise<boolean> => {
    const git = sources.of(mapping);
    if (commit === git.commit || (await git.has(commit))) return false;
    const message = `stages have files of commit ${commit}, which this repository doesn't have: they are made anew. If the clone is shallow, git fetch --unshallow may bring it`;
    emit({ type: 'warning', message });
    return true;
  };
  return (mapping, commit) => {
    const key = [mapping.remote?.url, commit].join(' ');
    const asked = known.get(key) ?? look(mapping, commit);
    known.set(key, asked);
    return asked;
  };
}

/**
 * The image of a stage: in the store, or where else stages are looked for. One with files of a
 * commit that is lost isn't meant: nobody could say what has changed since.
 */
export async function findStage(
  session: DimgSession,
  { signature, title, mappings, isLost }: WantedStage,
  missing: Missing,
): Promise<Descriptor | undefined> {
  const { store, signal, stagesFrom, tell } = session;
  const name = stageName(session, signature);
  const orNone = async (work: Promise<Descriptor>): Promise<Descriptor | undefined> => {
    try {
      return await work;
    } catch (error) {
      if (isSlipwayError(error, 'NOT_FOUND')) return undefined;
      throw error;
    }
  };
  const unlessLost = async (root: Descriptor): Promise<Descriptor | undefined> => {
    const commits = await commitsIn(session, mappings, root);
    for (const mapping of mappings) {
      const commit = commits.get(mappingChecksum(mapping));
      if (commit !== undefined && (await isLost(mapping, commit))) return undefined;
    }
    return root;
  };
  const local = await orNone(store.resolve(name, { signal }));
  const usable = local === undefined ? undefined : await unlessLost(local);
  if (usable !== undefined || stagesFrom === undefined) return usable;
  const remote = await orNone(stagesFrom.resolve(`dimgstage-${signature}`, { signal }));
  if (remote === undefined || (await unlessLost(remote)) === undefined) return undefined;
  if (session.dryRun || missing === 'leave') return remote;
  tell(title, 'PULLING');
  return await takeStage(session, stagesFrom, remote, signature);
}

/** Takes a stage of a registry into the store. */
export async function takeStage(
  session: DimgSession,
  from: Repository,
  remote: Descriptor,
  signature: string,
): Promise<Descriptor> {
  const { store, emit, signal } = session;
  const name = stageName(session, signature);
  const graph = graphOf(from, remote, name);
  const { root } = await copyGraph(graph, store, { emit, signal, nonDistributable: true });
  const open = (offset: number) => from.fetch(root.descriptor, { offset });
  await store.tag(root.descriptor, name, open, { signal });
  return root.descriptor;
}

/**
 * At which commits the files of git are in an image, as its labels say. Every stage tells it itself:
 * one that came from elsewhere may stand on another archive than the one that is here.
 */
export async function commitsIn(
  { store, signal, stagesFrom }: DimgSession,
  mappings: readonly GitMapping[],
  root: Descriptor,
): Promise<MappedCommits> {
  const commits = new Map<string, string>();
  if (mappings.length === 0) return commits;
  const isLocal = (await store.blobSize(root.digest)) !== undefined;
  const source = isLocal ? store : stagesFrom;
  if (source === undefined) return commits;
  const labels = labelsOf((await readImage(source, root, { signal })).config);
  for (const mapping of mappings) {
    const key = mappingChecksum(mapping);
    const commit = labels[commitLabel(key)];
    if (commit !== undefined) commits.set(key, commit);
  }
  return commits;
}

/** The same for one that isn't built: if it brings files, they will be those of HEAD. */
export function commitsToBe(
  { sources }: DimgSession,
  mappings: readonly GitMapping[],
  { work }: Stage,
  before: MappedCommits,
): MappedCommits {
  if (work.kind !== 'git') return before;
  return new Map(mappings.map((mapping) => [mappingChecksum(mapping), sources.of(mapping).commit]));
}

export function commitLabel(key: string): string {
  return `werf-git-${key}-commit`;
}
