import { access } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createNativeEngine } from '../build/native/engine.ts';
import { ciBuild } from '../dimg/ci.ts';
import { dimgCredentials } from '../dimg/credentials.ts';
import { openGitWithChanges } from '../dimg/dev-commit.ts';
import { openGit } from '../dimg/git.ts';
import { createGitSources } from '../dimg/git-sources.ts';
import { createFolderHolder } from '../dimg/held-folders.ts';
import { projectName, readProject } from '../dimg/project.ts';
import { parseRepo } from '../dimg/repo.ts';
import type { DimgSession, DimgState, Tell } from '../dimg/session.ts';
import { wantsShortSlugs } from '../dimg/slug.ts';
import { collectTags, type SchemeTags } from '../dimg/tags.ts';
import { SlipwayError } from '../errors.ts';
import type { Registries } from '../registry/registries.ts';
import { createCompressionTable } from '../state/compressions.ts';
import type { Context } from './context.ts';
import type { DimgFlags, DimgPushFlags } from './dimg-flags.ts';
import { introspectionOf } from './dimg-introspection.ts';
import { safeLine } from './output.ts';

const LOCK_TIMEOUT_SECONDS = 86_400;
const DEFAULT_COLUMNS = 120;

/** Opens the project of a command, and everything to work on it. */
export async function openDimgSession(
  context: Context,
  flags: DimgFlags,
  { repo, isCleanup = false }: { readonly repo?: string; readonly isCleanup?: boolean } = {},
): Promise<DimgSession> {
  const { signal, emit } = context;
  const folder = resolve(flags.dir ?? '.');
  const config = await readProject(folder);
  const git = await openGit(folder, { signal });
  const project = projectName(config, { name: flags.name, origin: await git?.origin(), folder });
  const home = await context.home();
  const holder = createFolderHolder(home, { signal });
  context.onClose(() => holder.release());
  const { hold } = holder;
  const isDev = flags.dev === true;
  const withFiles = isDev ? await openGitWithChanges(folder, { home, hold, signal }) : git;
  const { stagesFrom, sshKey: sshKeys = [] } = flags;
  const lockTimeoutMs = (flags.lockTimeout ?? LOCK_TIMEOUT_SECONDS) * 1000;
  for (const key of sshKeys) await checkKey(key);
  const registries = registriesFor(context, flags, repo ?? stagesFrom, isCleanup);
  return {
    ...{ config, project, folder, git, home, signal, emit, lockTimeoutMs, hold },
    sources: createGitSources(withFiles, folder, { home, sshKeys, lockTimeoutMs, signal, hold }),
    store: await context.store(),
    native: createNativeEngine({
      registries,
      table: createCompressionTable(await context.hints(), join(await context.home(), 'locks')),
    }),
    engine: context.engine,
    registries,
    ...(stagesFrom === undefined
      ? {}
      : { stagesFrom: (await registries()).repository(parseRepo(stagesFrom, project)) }),
    buildDir:
      flags.buildDir === undefined ? join(home, 'dimg-build', project) : resolve(flags.buildDir),
    tmpDirPrefix: resolve(flags.tmpDirPrefix ?? tmpdir()),
    network: flags.network,
    introspection: introspectionOf(context, flags),
    ...{ isDev, dryRun: flags.dryRun === true },
    tell: teller(context, flags),
    detail(text) {
      if (flags.verbose === true && flags.quiet !== true) {
        context.output.out(`  ${safeLine(text)}\n`);
      }
    },
  };
}

async function checkKey(file: string): Promise<void> {
  await access(file).catch(() => {
    throw new SlipwayError('FILE_NOT_FOUND', `there is no key ${file}`, { path: file });
  });
}

/** Opens registries once, as whoever the command says that we are. */
function registriesFor(
  context: Context,
  { registryUsername: username, registryPassword: password }: DimgFlags,
  repo: string | undefined,
  isCleanup: boolean,
): () => Promise<Registries> {
  const host = repo === undefined ? undefined : parseRepo(repo, 'project').host;
  const own = dimgCredentials({ username, password, host, isCleanup }, process.env, context);
  if (own === undefined) return context.registries;
  let opened: Promise<Registries> | undefined;
  return () => {
    opened ??= context.registriesAs(own);
    return opened;
  };
}

/** Green, red and blue, as terminals count them. */
const COLOURS: Partial<Record<DimgState, number>> = {
  OK: 32,
  FAILED: 31,
  'NOT PULLED': 31,
  'USING CACHE': 34,
  EXIST: 34,
};

/** Prints states at the right edge, as werf does. */
function teller({ output }: Context, { quiet, time: isTimed, color = 'auto' }: DimgFlags): Tell {
  const isAuto = process.stdout.isTTY === true && !process.env.NO_COLOR;
  const isColoured = color === 'on' || (color === 'auto' && isAuto);
  return (what, state, seconds) => {
    if (quiet === true && state !== 'FAILED') return;
    const time = seconds === undefined ? '' : ` ${seconds.toFixed(2)} sec`;
    const end = `[${state}]${time}`;
    const columns = output.isTerminal ? output.columns : DEFAULT_COLUMNS;
    const shown = `${isTimed === true ? `${new Date().toISOString()} ` : ''}${safeLine(what)}`;
    const gap = ' '.repeat(Math.max(1, columns - shown.length - end.length));
    const colour = isColoured ? COLOURS[state] : undefined;
    const last = colour === undefined ? end : `\u001b[${colour}m${end}\u001b[0m`;
    output.out(`${shown}${gap}${last}\n`);
  };
}

/** The tags that a command asks for. */
export async function wantedTags(
  { git, folder }: DimgSession,
  flags: DimgPushFlags,
): Promise<readonly SchemeTags[]> {
  const env = process.env;
  return await collectTags(flags, {
    branch: async () => await git?.branch(),
    commit: async () => {
      if (git !== undefined) return git.commit;
      throw new SlipwayError('CONFIG_INVALID', `${folder} is in no git repository with a commit`, {
        path: folder,
      });
    },
    ci: () => ciBuild(env, folder),
    shortSlugs: wantsShortSlugs(env),
  });
}

/** The last word is REPO; those before it are patterns of dimgs. */
export function repoAndPatterns(words: readonly string[]): {
  readonly repo: string;
  readonly patterns: readonly string[];
} {
  const repo = words.at(-1);
  if (repo === undefined) {
    throw new SlipwayError('USAGE', 'required argument `REPO`', {
      hint: 'the last word is the repository, for example registry.example.com/team/app',
    });
  }
  // It is looked at before anything else happens.
  parseRepo(repo, 'project');
  return { repo, patterns: words.slice(0, -1) };
}

/** The registry that a REPO names, if there is one. */
export function hostsOfRepo(repo: string | undefined): readonly string[] {
  return repo === undefined ? [] : [parseRepo(repo, 'project').host];
}
