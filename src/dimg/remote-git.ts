import { createHash } from 'node:crypto';
import { access, mkdir, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type ProgramVariables, runProgram } from '../build/engines/program.ts';
import { askGit, GIT_ENVIRONMENT, GIT_SETTINGS, NO_REPOSITORY } from '../build/git-program.ts';
import { keepLogin } from '../bytes/secrets.ts';
import { collect } from '../bytes/stream.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { silent } from '../events.ts';
import { showText } from '../http/shown.ts';
import { withLock } from '../state/lock.ts';
import type { RemoteSource } from './config.ts';
import { type Git, openGit } from './git.ts';

/** How remote repositories are fetched. */
export interface RemoteOptions {
  /** folder of clones and locks */
  readonly home: string;
  /** files of private keys, instead of those of ssh's agent and settings */
  readonly sshKeys: readonly string[];
  /** look what is new there; else only what isn't here at all is fetched */
  readonly fetch: boolean;
  /** Keeps others from removing a folder below `home`. */
  readonly hold: (folder: string) => Promise<void>;
  readonly lockTimeoutMs: number;
  readonly signal: AbortSignal;
}

const PROTOCOLS = 'https:http:ssh:git:file';
const HEAD_REF = 'refs/slipway/head';
/** Prints the login to git alone: as an argument everybody on the machine would see it. */
const HELPER =
  '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$SLIPWAY_GIT_USERNAME" "$SLIPWAY_GIT_PASSWORD"; }; f';
const MAX_OUTPUT_BYTES = 1024 * 1024;

/**
 * Opens a remote repository at a branch, tag or commit, from the clone of it that is kept here.
 *
 * @throws SlipwayError `COMMAND_FAILED` if it can't be fetched, `NOT_FOUND` if it has no such
 * branch, tag or commit
 */
export async function openRemote(source: RemoteSource, options: RemoteOptions): Promise<Git> {
  const { url, login } = source;
  const { home, lockTimeoutMs, signal } = options;
  if (login !== undefined) keepLogin(login.username, login.password);
  const name = createHash('sha256').update(url).digest('hex');
  const dir = join(home, 'dimg-git', name);
  const locks = join(home, 'dimg-locks');
  await mkdir(locks, { recursive: true, mode: 0o700 });
  await options.hold(dir);
  const work = async (): Promise<Git> => {
    await makeClone(dir, signal);
    // A commit stays what it is.
    const isNew = options.fetch && source.ref.kind !== 'commit';
    const here = isNew ? undefined : await openAt(dir, source, signal);
    if (here !== undefined) return here;
    await removeLocks(dir);
    await fetchAll(dir, source, options);
    const fetched = await openAt(dir, source, signal);
    if (fetched !== undefined) return fetched;
    throw new SlipwayError('NOT_FOUND', `${showText(url)} has no ${shownRef(source)}`);
  };
  return await withLock(join(locks, `git-${name}`), work, { signal, waitMs: lockTimeoutMs });
}

async function makeClone(dir: string, signal: AbortSignal): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const isThere = await access(join(dir, 'HEAD')).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const made = await askGit(['init', '--bare', '--quiet', '--template=', '.'], {
    cwd: dir,
    env: cloneAt(dir),
    signal,
  });
  if (made?.status === 0) return;
  throw new SlipwayError('COMMAND_FAILED', `git can't make a repository in ${dir}`, {
    hint: made === undefined ? 'install git' : 'look at its permissions',
  });
}

function cloneAt(dir: string): ProgramVariables {
  return { ...NO_REPOSITORY, GIT_DIR: dir };
}

async function openAt(
  dir: string,
  { ref }: RemoteSource,
  signal: AbortSignal,
): Promise<Git | undefined> {
  const revision = {
    branch: `refs/heads/${ref.name}`,
    tag: `refs/tags/${ref.name}`,
    commit: ref.name,
    head: HEAD_REF,
  }[ref.kind];
  return await openGit(dir, { signal, revision, env: cloneAt(dir) });
}

async function fetchAll(dir: string, source: RemoteSource, options: RemoteOptions): Promise<void> {
  const { url, ref } = source;
  const all = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
  await fetchRefs(dir, source, options, [
    ...all,
    ...(ref.kind === 'head' ? [`+HEAD:${HEAD_REF}`] : []),
  ]);
  const isLoose = ref.kind === 'commit' && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(ref.name);
  if (!isLoose || (await openAt(dir, source, options.signal)) !== undefined) return;
  // One of no branch: some servers give it all the same.
  await fetchRefs(dir, source, options, [ref.name]).catch((error: unknown) => {
    if (!isSlipwayError(error, 'COMMAND_FAILED')) throw error;
    throw new SlipwayError('NOT_FOUND', `${showText(url)} has no ${shownRef(source)}`);
  });
}

async function fetchRefs(
  dir: string,
  { url, login }: RemoteSource,
  { sshKeys, signal }: RemoteOptions,
  refs: readonly string[],
): Promise<void> {
  const { origin } = url.startsWith('http') ? new URL(url) : { origin: '' };
  const helper = `credential.${origin}.helper`;
  const args = [
    ...[...GIT_SETTINGS, '-c', 'gc.auto=0'],
    ...(login === undefined ? [] : ['-c', `${helper}=`, '-c', `${helper}=${HELPER}`]),
    ...['fetch', '--quiet', '--prune', '--force', '--no-tags', '--no-recurse-submodules'],
    ...['--no-write-fetch-head', '--', url, ...refs],
  ];
  const env = {
    ...GIT_ENVIRONMENT,
    ...{ ...cloneAt(dir), GIT_ALLOW_PROTOCOL: PROTOCOLS },
    ...(sshKeys.length === 0 ? {} : { GIT_SSH_COMMAND: sshCommand(sshKeys) }),
    ...(login === undefined
      ? {}
      : { SLIPWAY_GIT_USERNAME: login.username, SLIPWAY_GIT_PASSWORD: login.password }),
  };
  const call = { engine: 'git', program: 'git', args, cwd: dir, env, emit: silent, signal };
  const hintFor = (lastWords: readonly string[]) => lastWords.join(' ⏎ ') || undefined;
  try {
    await runProgram({ ...call, hintFor }, (stdout) => collect(stdout, MAX_OUTPUT_BYTES, 'git'));
  } catch (error) {
    if (!isSlipwayError(error, 'COMMAND_FAILED')) throw error;
    const { hint } = error.facts;
    throw new SlipwayError('COMMAND_FAILED', `git can't fetch ${showText(url)}`, {
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** Only these keys, and nobody is asked for a passphrase. */
function sshCommand(keys: readonly string[]): string {
  const quoted = keys.map((key) => `-i '${resolve(key).replaceAll("'", "'\\''")}'`);
  return `ssh -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes ${quoted.join(' ')}`;
}

/** We have the lock of the clone: what else is locked in there was left by who was killed. */
async function removeLocks(dir: string): Promise<void> {
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.lock')) continue;
    await rm(join(entry.parentPath, entry.name), { force: true });
  }
}

function shownRef({ ref }: RemoteSource): string {
  return ref.kind === 'head' ? 'branch that HEAD names' : `${ref.kind} ${ref.name}`;
}
