import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { copyGraph } from '../content/copy.ts';
import { graphOf } from '../content/graph.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Repository } from '../registry/repository.ts';
import { withLock } from '../state/lock.ts';
import { buildStage } from './build-stage.ts';
import type { ImageConfig } from './config.ts';
import { mappingChecksum } from './git-files.ts';
import { neededBy } from './project.ts';
import { type DimgSession, dimgTitle, stageName } from './session.ts';
import { CACHE_VERSION, stageSignature } from './signature.ts';
import { slug } from './slug.ts';
import { labelAndName, labelsOf, readImage } from './stage-image.ts';
import { type Stage, stagesOf } from './stages.ts';

/** A stage whose image is in the store, or would be built. */
export interface SignedStage {
  readonly name: string;
  readonly signature: string;
  /** undefined if it isn't there */
  readonly root: Descriptor | undefined;
}

/** The stages of an image, the lowest first. */
export interface SignedImage {
  readonly image: ImageConfig;
  readonly stages: readonly SignedStage[];
}

/** What is to happen with stages that aren't in the store: `leave` only looks for them. */
type Missing = 'build' | 'leave';

/** Told of each stage that wasn't in the store and is there now. */
type OnBuilt = (image: ImageConfig, root: Descriptor) => void;

/** The stages of images and of all that they are made of, each image once. */
export interface DimgStages {
  /** Computes the stages of an image; with `build` those that are missing are made. */
  of(image: ImageConfig): Promise<SignedImage>;
}

/**
 * Follows the stages of images. A stage that isn't there, and isn't built, has a signature as if
 * the files of git in it were those of HEAD.
 */
export function createStages(
  session: DimgSession,
  missing: Missing,
  onBuilt: OnBuilt = () => {},
): DimgStages {
  const known = new Map<ImageConfig, Promise<SignedImage>>();
  const of = (image: ImageConfig): Promise<SignedImage> => {
    const begun = known.get(image) ?? followImage(session, image, missing, of, onBuilt);
    known.set(image, begun);
    return begun;
  };
  return { of };
}

/** The last stage of an image. */
export function lastStage({ image, stages }: SignedImage): SignedStage {
  const last = stages.at(-1);
  if (last === undefined) throw new SlipwayError('INTERNAL', `${dimgTitle(image)} has no stage`);
  return last;
}

/**
 * A stage that is in the store, by its name; the last one if it has none.
 *
 * @throws SlipwayError `NOT_FOUND`
 */
export function builtStage(signed: SignedImage, name: string | undefined): SignedStage {
  const { image, stages } = signed;
  const stage = name === undefined ? lastStage(signed) : stages.find((each) => each.name === name);
  if (stage === undefined) {
    throw new SlipwayError(
      'NOT_FOUND',
      `${dimgTitle(image)} has no stage ${JSON.stringify(name)}`,
      {
        hint: `it has ${stages.map((each) => each.name).join(', ')}`,
      },
    );
  }
  if (stage.root !== undefined) return stage;
  throw new SlipwayError('NOT_FOUND', `${dimgTitle(image)}, stage ${stage.name} isn't built yet`, {
    hint: 'slipway dimg build builds it',
  });
}

async function followImage(
  session: DimgSession,
  image: ImageConfig,
  missing: Missing,
  of: DimgStages['of'],
  onBuilt: OnBuilt,
): Promise<SignedImage> {
  const { git, config } = session;
  if (image.git.length > 0 && git === undefined) {
    throw new SlipwayError(
      'CONFIG_INVALID',
      `${dimgTitle(image)} takes files of git, and ${session.folder} is in no repository with a commit`,
      {
        path: session.folder,
        hint: 'git init, git add and git commit make one',
      },
    );
  }
  const needed = new Map<string, SignedStage>();
  for (const { kind, name } of neededBy(image)) {
    const other = config.images.find((each) => each.kind === kind && each.name === name);
    if (other !== undefined) needed.set(`${kind} ${name}`, lastStage(await of(other)));
  }
  const get = (kind: string, name: string): SignedStage => {
    const found = needed.get(`${kind} ${name}`);
    if (found !== undefined) return found;
    throw new SlipwayError('INTERNAL', `${kind} ${name} isn't known yet`);
  };
  const facts = { git, signatureOf: (kind: string, name: string) => get(kind, name).signature };
  const stages: SignedStage[] = [];
  let commits: ReadonlyMap<string, string> = new Map();
  for (const stage of stagesOf(image, facts)) {
    session.signal.throwIfAborted();
    const dependencies = await stage.dependencies(commits);
    if (dependencies === undefined) continue;
    const previous = stages.at(-1);
    const signature = stageSignature(previous?.signature, dependencies);
    const title = `${dimgTitle(image)}: ${stage.name}`;
    const found = await findStage(session, signature, title, missing);
    if (found !== undefined && missing === 'build') session.tell(title, 'USING CACHE');
    const build = (): Promise<Descriptor> =>
      buildOnce(session, title, signature, async () => {
        const building = {
          ...{ image, stage, below: previous?.root, commits },
          imageOf: (kind: string, name: string) => built(get(kind, name)),
        };
        const root = await buildStage(session, building);
        const labels = stageLabels(session, image, stage, facts.signatureOf);
        return await labelAndName(session.store, root, labels, stageName(session, signature), {
          signal: session.signal,
        });
      });
    const isBuilt = found === undefined && missing === 'build' && !session.dryRun;
    if (found === undefined && missing === 'build' && session.dryRun) session.tell(title, 'BUILD');
    const root = isBuilt ? await build() : found;
    if (isBuilt && root !== undefined) onBuilt(image, root);
    stages.push({ name: stage.name, signature, root });
    commits = await commitsIn(session, image, root, commits, stage);
  }
  return { image, stages };
}

function built({ root, name }: SignedStage): Descriptor {
  if (root !== undefined) return root;
  throw new SlipwayError('INTERNAL', `stage ${name} isn't built`);
}

/** The image of a stage: in the store, or where else stages are looked for. */
async function findStage(
  session: DimgSession,
  signature: string,
  title: string,
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
  const local = await orNone(store.resolve(name, { signal }));
  if (local !== undefined || stagesFrom === undefined) return local;
  const remote = await orNone(stagesFrom.resolve(`dimgstage-${signature}`, { signal }));
  if (remote === undefined || session.dryRun || missing === 'leave') return remote;
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

/** Builds a stage unless another process did so while we waited for it. */
async function buildOnce(
  session: DimgSession,
  title: string,
  signature: string,
  work: () => Promise<Descriptor>,
): Promise<Descriptor> {
  const { home, project, signal, lockTimeoutMs, tell } = session;
  const folder = join(home, 'dimg-locks');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const name = createHash('sha256').update(`stage.${project}.${signature}`).digest('hex');
  const build = async (): Promise<Descriptor> => {
    const there = await findStage({ ...session, stagesFrom: undefined }, signature, title, 'leave');
    if (there !== undefined) {
      tell(title, 'USING CACHE');
      return there;
    }
    const startedMs = performance.now();
    tell(title, 'BUILDING');
    try {
      const root = await work();
      tell(title, 'OK', (performance.now() - startedMs) / 1000);
      return root;
    } catch (error) {
      tell(title, 'FAILED');
      throw error;
    }
  };
  return await withLock(join(folder, name), build, { signal, waitMs: lockTimeoutMs });
}

/** At which commits the files of git are in an image, as its labels say. */
async function commitsIn(
  { store, git, signal, stagesFrom }: DimgSession,
  image: ImageConfig,
  root: Descriptor | undefined,
  before: ReadonlyMap<string, string>,
  { work }: Stage,
): Promise<ReadonlyMap<string, string>> {
  if (git === undefined || work.kind !== 'git') return before;
  const commits = new Map<string, string>();
  const isLocal = root !== undefined && (await store.blobSize(root.digest)) !== undefined;
  const source = isLocal ? store : stagesFrom;
  const labels =
    root === undefined || source === undefined
      ? {}
      : labelsOf((await readImage(source, root, { signal })).config);
  for (const mapping of image.git) {
    const key = mappingChecksum(mapping);
    commits.set(key, labels[commitLabel(key)] ?? git.commit);
  }
  return commits;
}

function commitLabel(key: string): string {
  return `werf-git-${key}-commit`;
}

function stageLabels(
  { project, git }: DimgSession,
  image: ImageConfig,
  { work }: Stage,
  signatureOf: (kind: string, name: string) => string,
): Readonly<Record<string, string>> {
  const below = (kind: string) =>
    image.mounts.flatMap((mount) => (mount.kind === kind ? mount.to : [])).join(';');
  const mounts = {
    'werf-mount-tmp-dir': below('tmp_dir'),
    'werf-mount-build-dir': below('build_dir'),
  };
  const labels: Record<string, string> = {
    werf: project,
    'werf-cache-version': CACHE_VERSION,
    'werf-dimg': 'false',
    'werf-dev-mode': 'false',
    ...Object.fromEntries(Object.entries(mounts).filter(([, value]) => value !== '')),
  };
  for (const mount of image.mounts) {
    if (mount.kind !== 'custom') continue;
    labels[`werf-mount-custom-dir-${mount.from.replaceAll('/', '--')}`] = mount.to;
  }
  if (work.kind === 'git' && git !== undefined) {
    for (const mapping of image.git) {
      const key = mappingChecksum(mapping);
      labels[commitLabel(key)] = git.commit;
      labels[`werf-git-${key}-type`] = 'local';
    }
  }
  if (work.kind === 'import') {
    for (const { kind, from } of work.rules) {
      labels[`werf-artifact-${slug(from)}`] = signatureOf(kind, from);
    }
  }
  return labels;
}
