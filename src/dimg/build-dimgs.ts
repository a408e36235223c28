import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { withLock } from '../state/lock.ts';
import { buildStage } from './build-stage.ts';
import type { ImageConfig } from './config.ts';
import {
  commitLabel,
  commitsIn,
  commitsToBe,
  createLostCommits,
  findStage,
  type Missing,
  type WantedStage,
} from './find-stage.ts';
import { checksumOfMapping, mappingChecksum } from './git-files.ts';
import { introspectStage } from './introspect.ts';
import { neededBy } from './project.ts';
import { type DimgSession, dimgTitle, stageName } from './session.ts';
import { CACHE_VERSION, checksum, stageSignature } from './signature.ts';
import { slug } from './slug.ts';
import { labelAndName } from './stage-image.ts';
import { type MappedCommits, type Stage, stagesOf } from './stages.ts';

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
  const isLost = createLostCommits(session);
  const of = (image: ImageConfig): Promise<SignedImage> => {
    const begun = known.get(image) ?? followImage({ session, missing, onBuilt, isLost, of }, image);
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
export function builtStage(
  signed: SignedImage,
  name: string | undefined,
): SignedStage & { readonly root: Descriptor } {
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
  const { root } = stage;
  if (root !== undefined) return { ...stage, root };
  throw new SlipwayError('NOT_FOUND', `${dimgTitle(image)}, stage ${stage.name} isn't built yet`, {
    hint: 'slipway dimg build builds it',
  });
}

interface Following extends DimgStages, Pick<WantedStage, 'isLost'> {
  readonly session: DimgSession;
  readonly missing: Missing;
  readonly onBuilt: OnBuilt;
}

async function followImage(
  { session, missing, onBuilt, isLost, of }: Following,
  image: ImageConfig,
): Promise<SignedImage> {
  const { sources, config } = session;
  await sources.load(image, { fetch: missing === 'build' });
  const needed = new Map<string, SignedStage & { readonly identity: string }>();
  for (const { kind, name } of neededBy(image)) {
    const other = config.images.find((each) => each.kind === kind && each.name === name);
    if (other === undefined) continue;
    const last = lastStage(await of(other));
    const identity = await identityOf(session, other, last);
    needed.set(`${kind} ${name}`, { ...last, identity });
  }
  const get = (kind: string, name: string) => {
    const found = needed.get(`${kind} ${name}`);
    if (found !== undefined) return found;
    throw new SlipwayError('INTERNAL', `${kind} ${name} isn't known yet`);
  };
  const signatureOf = (kind: string, name: string): string => get(kind, name).signature;
  const facts = {
    gitOf: sources.of,
    signatureOf: (kind: string, name: string) => get(kind, name).identity,
  };
  const stages: SignedStage[] = [];
  let commits: MappedCommits = new Map();
  for (const stage of stagesOf(image, facts)) {
    session.signal.throwIfAborted();
    const dependencies = await stage.dependencies(commits);
    if (dependencies === undefined) continue;
    const previous = stages.at(-1);
    const signature = stageSignature(previous?.signature, dependencies, session);
    const title = `${dimgTitle(image)}: ${stage.name}`;
    const lookInto = async (when: 'before' | 'after', root: Descriptor | undefined) => {
      if (missing === 'leave' || session.dryRun || root === undefined) return;
      await introspectStage(session, image, when, stage.name, root);
    };
    await lookInto('before', previous?.root);
    const mappings = commits.size > 0 || stage.work.kind === 'git' ? image.git : [];
    const wanted = { signature, title, mappings, isLost };
    const found = await findStage(session, wanted, missing);
    if (found !== undefined && missing === 'build') session.tell(title, 'USING CACHE');
    const build = (): Promise<Descriptor> =>
      buildOnce(session, wanted, async () => {
        const building = {
          ...{ image, stage, below: previous?.root, commits },
          imageOf: (kind: string, name: string) => built(get(kind, name)),
        };
        const root = await buildStage(session, building);
        const labels = stageLabels(session, image, stage, signatureOf);
        return await labelAndName(session.store, root, labels, stageName(session, signature), {
          signal: session.signal,
        });
      });
    const isBuilt = found === undefined && missing === 'build' && !session.dryRun;
    if (found === undefined && missing === 'build' && session.dryRun) session.tell(title, 'BUILD');
    if (missing === 'build') tellDetails(session, stage, signature);
    const root = isBuilt ? await build() : found;
    if (isBuilt && root !== undefined) onBuilt(image, root);
    await lookInto('after', root);
    stages.push({ name: stage.name, signature, root });
    commits =
      root === undefined
        ? commitsToBe(session, mappings, stage, commits)
        : await commitsIn(session, mappings, root);
  }
  return { image, stages };
}

/**
 * What an image is to those that are made of it. Its signature doesn't tell at which commit its
 * archive was made, so the files that it has are told beside.
 */
async function identityOf(
  { sources }: DimgSession,
  image: ImageConfig,
  { signature }: SignedStage,
): Promise<string> {
  if (image.git.length === 0) return signature;
  const files = image.git.map((mapping) => checksumOfMapping(sources.of(mapping), mapping));
  return checksum(signature, await Promise.all(files));
}

function built({ root, name }: SignedStage): Descriptor {
  if (root !== undefined) return root;
  throw new SlipwayError('INTERNAL', `stage ${name} isn't built`);
}

/** Builds a stage unless another process did so while we waited for it. */
async function buildOnce(
  session: DimgSession,
  wanted: WantedStage,
  work: () => Promise<Descriptor>,
): Promise<Descriptor> {
  const { home, project, signal, lockTimeoutMs, tell } = session;
  const { title, signature } = wanted;
  const folder = join(home, 'dimg-locks');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const name = createHash('sha256').update(`stage.${project}.${signature}`).digest('hex');
  const build = async (): Promise<Descriptor> => {
    const local = { ...session, stagesFrom: undefined };
    const there = await findStage(local, wanted, 'leave');
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

function tellDetails({ detail }: DimgSession, { work }: Stage, signature: string): void {
  detail(`signature ${signature}`);
  if (work.kind === 'shell') for (const command of work.commands) detail(`$ ${command}`);
}

function stageLabels(
  { project, sources, isDev }: DimgSession,
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
    'werf-dev-mode': String(isDev),
    ...Object.fromEntries(Object.entries(mounts).filter(([, value]) => value !== '')),
  };
  for (const mount of image.mounts) {
    if (mount.kind !== 'custom') continue;
    labels[`werf-mount-custom-dir-${mount.from.replaceAll('/', '--')}`] = mount.to;
  }
  if (work.kind === 'git') {
    for (const mapping of image.git) {
      const key = mappingChecksum(mapping);
      labels[commitLabel(key)] = sources.of(mapping).commit;
      labels[`werf-git-${key}-type`] = mapping.remote === undefined ? 'local' : 'remote';
    }
  }
  if (work.kind === 'import') {
    for (const { kind, from } of work.rules) {
      labels[`werf-artifact-${slug(from)}`] = signatureOf(kind, from);
    }
  }
  return labels;
}
