import { createHash } from 'node:crypto';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { runProgram } from '../build/engines/program.ts';
import { askGit, GIT_ENVIRONMENT, GIT_SETTINGS, withoutOwnFilters } from '../build/git-program.ts';
import { collect } from '../bytes/stream.ts';
import type { Signalled } from '../content/transport.ts';
import { SlipwayError, systemCode } from '../errors.ts';
import { silent } from '../events.ts';
import { type Git, MAX_LIST_BYTES, openGit } from './git.ts';

/** Who made it and when says nothing: the same files are the same commit. */
const NOBODY = {
  ...{ GIT_AUTHOR_NAME: 'dev', GIT_AUTHOR_EMAIL: 'dev@localhost', GIT_AUTHOR_DATE: '@1 +0000' },
  GIT_COMMITTER_NAME: 'dev',
  GIT_COMMITTER_EMAIL: 'dev@localhost',
  GIT_COMMITTER_DATE: '@1 +0000',
};

/**
 * Opens the repository that a folder is in as if all that isn't committed yet were; ignored files
 * are left out. Nothing in it changes: its new objects are kept below `home`.
 *
 * @throws SlipwayError `COMMAND_FAILED`
 */
export async function openGitWithChanges(
  folder: string,
  {
    home,
    hold,
    signal,
  }: Signalled & {
    readonly home: string;
    /** Keeps others from removing a folder below `home`. */
    readonly hold: (folder: string) => Promise<void>;
  },
): Promise<Git | undefined> {
  const ask = async (words: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const answer = await askGit(words, { cwd: folder, env, signal });
    return answer?.status === 0 ? answer.stdout.trim() : undefined;
  };
  const failed = () =>
    new SlipwayError('COMMAND_FAILED', `git can't take the changes in ${folder}`, {
      path: folder,
      hint: 'leave --dev out, or look with git status',
    });
  const must = async (words: readonly string[], env: Readonly<Record<string, string>>) => {
    const answer = await ask(words, env);
    if (answer !== undefined) return answer;
    throw failed();
  };
  const top = await ask(['rev-parse', '--show-toplevel']);
  const head = await ask(['rev-parse', '--verify', '--quiet', 'HEAD^{tree}']);
  if (top === undefined || head === undefined) return undefined;
  const pathOf = async (name: string) =>
    resolve(folder, await must(['rev-parse', '--git-path', name], {}));
  const objects = join(home, 'dimg-dev', createHash('sha256').update(top).digest('hex'));
  await hold(objects);
  await mkdir(objects, { recursive: true, mode: 0o700 });
  const kept = {
    GIT_OBJECT_DIRECTORY: objects,
    GIT_ALTERNATE_OBJECT_DIRECTORIES: JSON.stringify(await pathOf('objects')),
  };
  const temporary = await mkdtemp(join(home, 'dimg-index-'));
  try {
    const env = { ...kept, ...NOBODY, GIT_INDEX_FILE: join(temporary, 'index') };
    await copyFile(await pathOf('index'), env.GIT_INDEX_FILE).catch((error: unknown) => {
      if (systemCode(error) !== 'ENOENT') throw error;
    });
    const settings = await withoutOwnFilters(folder, { signal });
    if (settings === undefined) throw failed();
    // What repositories inside have changed git would ask there, with filters of theirs.
    const inside = (await repositoriesIn(top, { env, signal })).map(
      (name) => `:(exclude,literal)${name}`,
    );
    const paths = join(temporary, 'paths');
    await writeFile(paths, ['.', ...inside].join('\0'));
    const from = [`--pathspec-from-file=${paths}`, '--pathspec-file-nul'];
    await must([...settings, '-C', top, 'add', '--all', ...from], env);
    // It looks at files again that changed a moment ago.
    const tree = await must([...settings, 'write-tree'], env);
    if (tree === head) return await openGit(folder, { signal, env: kept });
    const revision = await must(['commit-tree', tree, '-p', 'HEAD', '-m', 'dev'], env);
    return await openGit(folder, { signal, revision, env: kept });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Paths of the submodules that an index names, whether `.gitmodules` does or not. */
async function repositoriesIn(
  cwd: string,
  { env, signal }: Signalled & { readonly env: Readonly<Record<string, string>> },
): Promise<readonly string[]> {
  const args = [...GIT_SETTINGS, 'ls-files', '--stage', '-z'];
  const call = { engine: 'git', program: 'git', args, cwd, emit: silent, signal };
  const listed = await runProgram({ ...call, env: { ...GIT_ENVIRONMENT, ...env } }, (stdout) =>
    collect(stdout, MAX_LIST_BYTES, 'the list of files of git'),
  );
  const entries = listed.toString().split('\0');
  return entries.flatMap((entry) => /^160000 [^\t]*\t(.+)$/s.exec(entry)?.[1] ?? []);
}
