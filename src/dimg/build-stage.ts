import type { BuildContext, Dockerfile } from '../build/engine.ts';
import { TAR_END, tarHeader } from '../bytes/tar-write.ts';
import { SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { ImageConfig } from './config.ts';
import { copyLine, directiveLines, dockerfileOf, importLines } from './dockerfile.ts';
import { containerLabels } from './engine-leftovers.ts';
import type { Git } from './git.ts';
import { gitContext, type MappedRoot } from './git-context.ts';
import { filledFolder, mappedChanges, mappedFiles, mappingChecksum } from './git-files.ts';
import { withMounts } from './mounts.ts';
import { runStage } from './run-stage.ts';
import { type DimgSession, dimgTitle } from './session.ts';
import { withoutFiles } from './stage-image.ts';
import type { MappedCommits, Stage } from './stages.ts';

/** What a stage is built on. */
export interface BuildingStage {
  readonly image: ImageConfig;
  readonly stage: Stage;
  /** the image below; undefined for the first stage */
  readonly below: Descriptor | undefined;
  readonly commits: MappedCommits;
  /** last stages of the images that this one is made of */
  imageOf(kind: 'dimg' | 'artifact', name: string): Descriptor;
}

/** Builds a stage into the store, still without name and labels. */
export async function buildStage(
  session: DimgSession,
  building: BuildingStage,
): Promise<Descriptor> {
  const { image, stage, below } = building;
  const what = `${dimgTitle(image)}, stage ${stage.name}`;
  const { work } = stage;
  if (work.kind === 'from') {
    const { base } = image;
    const from =
      base.kind === 'from' ? base.image : reference(building.imageOf(base.kind, base.name));
    return await make(session, dockerfileOf(what, [`FROM ${from}`]));
  }
  if (below === undefined) throw new SlipwayError('INTERNAL', `${what} has nothing to stand on`);
  switch (work.kind) {
    case 'shell':
      return await runCommands(session, building, what, below, work.commands);
    case 'git':
      return await bringFiles(session, building, what, below);
    case 'import': {
      const lines = work.rules.flatMap((rule) =>
        importLines(rule, reference(building.imageOf(rule.kind, rule.from))),
      );
      return await make(session, dockerfileOf(what, [`FROM ${reference(below)}`, ...lines]));
    }
    case 'docker': {
      const lines = directiveLines(work.directives);
      return await make(session, dockerfileOf(what, [`FROM ${reference(below)}`, ...lines]));
    }
  }
}

/** An image of the store, by its digest. */
function reference({ digest }: Descriptor): string {
  return `dimgstage@${digest}`;
}

async function make(
  { native, store, home, emit, signal }: DimgSession,
  dockerfile: Dockerfile,
  context: BuildContext = { kind: 'empty' },
): Promise<Descriptor> {
  const request = {
    ...{ context, dockerfile, args: [], platforms: [], noCache: false, pull: false },
    ...{ secrets: [], ssh: [], cacheFrom: [], cacheTo: [] },
    timestamps: Math.floor(Date.now() / 1000),
  };
  const root = await native.build(request, { store, spoolDir: home, emit, signal });
  await store.keep(root, { signal });
  return root;
}

/** Brings the files of git from the commit that they have in the image to that of HEAD. */
async function bringFiles(
  session: DimgSession,
  { image, commits }: BuildingStage,
  what: string,
  below: Descriptor,
): Promise<Descriptor> {
  const { sources, store, home, signal } = session;
  const brought = new Map<Git, { readonly copies: string[]; readonly mapped: MappedRoot[] }>();
  const removed = new Set<string>();
  for (const [at, mapping] of image.git.entries()) {
    const git = sources.of(mapping);
    const before = commits.get(mappingChecksum(mapping));
    if (before !== undefined && !(await git.has(before))) throw lostCommit(what, before);
    const changes =
      before === undefined
        ? { written: await mappedFiles(git, mapping, git.commit), removed: [] }
        : await mappedChanges(git, mapping, before, git.commit);
    const folders = new Set(changes.written.map(({ target }) => target));
    for (const path of changes.removed) removed.add(replacedAbove(path, folders) ?? path);
    if (changes.written.length === 0) continue;
    const { copies, mapped } = brought.get(git) ?? { copies: [], mapped: [] };
    brought.set(git, { copies, mapped });
    mapped.push({ root: String(at), files: changes.written });
    const folder = filledFolder(mapping, changes.written);
    const { owner, group } = mapping;
    copies.push(copyLine(`${at}/`, folder === '/' ? '/' : `${folder}/`, { owner, group }));
  }
  const cleared =
    removed.size === 0
      ? below
      : await withoutFiles(store, below, () => whiteouts([...removed].sort()), { signal });
  let root = cleared;
  // A repository after the other: a context has files of one.
  for (const [git, { copies, mapped }] of brought) {
    const { context, close } = await gitContext(git, mapped, { spoolDir: home, signal });
    try {
      const lines = [`FROM ${reference(root)}`, ...copies];
      const made = await make(session, dockerfileOf(what, lines), context);
      if (root !== below) await store.forget(root.digest, { signal });
      root = made;
    } finally {
      await close();
    }
  }
  return root;
}

/** The folder above a removed file where there is a file now. */
function replacedAbove(path: string, files: ReadonlySet<string>): string | undefined {
  const parts = path.split('/');
  for (let depth = 1; depth < parts.length; depth++) {
    const above = parts.slice(0, depth).join('/');
    if (files.has(above)) return above;
  }
  return undefined;
}

async function* whiteouts(paths: readonly string[]) {
  for (const path of paths) {
    const name = path.replace(/[^/]+$/, '.wh.$&');
    yield tarHeader({ name, sizeBytes: 0 });
  }
  yield TAR_END;
}

function lostCommit(what: string, commit: string): SlipwayError {
  return new SlipwayError(
    'CONTENT_MISSING',
    `${what}: the files are of commit ${commit}, which the repository doesn't have`,
    {
      hint: 'fetch the whole history (git fetch --unshallow), or give fromCacheVersion another value',
    },
  );
}

async function runCommands(
  session: DimgSession,
  { image }: BuildingStage,
  what: string,
  root: Descriptor,
  commands: readonly string[],
): Promise<Descriptor> {
  const { store, home, network, emit, signal, introspection } = session;
  const engine = await session.engine();
  return await withMounts(session, image, (volumes) =>
    runStage({
      ...{ engine, store, root, commands, volumes, network, emit, signal, introspection },
      labels: containerLabels(session.project),
      spoolDir: home,
      name: what,
    }),
  );
}
