import { mkdtemp, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type ProgramVariables, runProgram } from '../build/engines/program.ts';
import { askGit, GIT_ENVIRONMENT, GIT_SETTINGS } from '../build/git-program.ts';
import { type Bytes, collect } from '../bytes/stream.ts';
import type { Signalled } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import { silent } from '../events.ts';

/** A file of a commit. */
export interface GitFile {
  /** relative to the root of the repository */
  readonly path: string;
  readonly kind: 'file' | 'executable' | 'symlink';
  /** id of its content */
  readonly object: string;
}

/** The repository that a project is in. */
export interface Git {
  /** id of HEAD's commit */
  readonly commit: string;
  /** undefined if HEAD is at none */
  branch(): Promise<string | undefined>;
  /** address of the remote repository `origin` */
  origin(): Promise<string | undefined>;
  /** names of the branches of `origin`, as they were fetched */
  remoteBranches(): Promise<readonly string[]>;
  tags(): Promise<readonly string[]>;
  /** True if the repository still has this commit. */
  has(commit: string): Promise<boolean>;
  /** All files of a commit, sorted by path; submodules are left out. */
  files(commit: string): Promise<readonly GitFile[]>;
  /** Reads the contents of objects, one after the other, each to its end. */
  contents<T>(
    objects: readonly string[],
    spoolDir: string,
    read: (contents: AsyncIterable<GitContent>) => Promise<T>,
  ): Promise<T>;
}

export interface GitContent {
  readonly sizeBytes: number;
  readonly bytes: Bytes;
}

/** what git lists of a repository is no longer than this */
export const MAX_LIST_BYTES = 256 * 1024 * 1024;
const MAX_HEADER_BYTES = 200;
const KINDS: Readonly<Record<string, GitFile['kind']>> = {
  '100644': 'file',
  '100755': 'executable',
  '120000': 'symlink',
};

/**
 * Opens the repository that a folder is in; undefined where there is none, or none with a commit.
 *
 * @throws SlipwayError `COMMAND_FAILED` if git can't do what it is asked later
 */
export async function openGit(
  folder: string,
  {
    signal,
    revision = 'HEAD',
    env = {},
  }: Signalled & {
    /** what is meant by HEAD: never text that could be an option */
    readonly revision?: string;
    readonly env?: ProgramVariables;
  },
): Promise<Git | undefined> {
  const ask = async (...args: readonly string[]): Promise<string | undefined> => {
    const answer = await askGit(args, { cwd: folder, env, signal });
    return answer?.status === 0 ? answer.stdout.trim() : undefined;
  };
  const commit = await ask('rev-parse', '--verify', '--quiet', `${revision}^{commit}`);
  if (commit === undefined) return undefined;
  const lists = new Map<string, Promise<readonly GitFile[]>>();
  const call = (args: readonly string[]) => ({
    ...{ engine: 'git', program: 'git', args: [...GIT_SETTINGS, ...args] },
    ...{ cwd: folder, env: { ...GIT_ENVIRONMENT, ...env }, emit: silent, signal },
  });
  const list = async (of: string): Promise<readonly GitFile[]> => {
    const text = await runProgram(
      call(['ls-tree', '-r', '-z', '--full-tree', checkedCommit(of)]),
      (stdout) => collect(stdout, MAX_LIST_BYTES, 'the list of files of git'),
    );
    return text.toString().split('\0').flatMap(fileOf);
  };
  const names = async (below: string, depth: number): Promise<readonly string[]> => {
    const text = await runProgram(
      call(['for-each-ref', `--format=%(refname:lstrip=${depth})`, below]),
      (stdout) => collect(stdout, MAX_LIST_BYTES, 'the list of names of git'),
    );
    return text
      .toString()
      .split('\n')
      .filter((name) => name !== '' && name !== 'HEAD');
  };
  return {
    commit,
    branch: () => ask('symbolic-ref', '--quiet', '--short', 'HEAD'),
    origin: async () => (await ask('config', '--get', 'remote.origin.url')) || undefined,
    remoteBranches: () => names('refs/remotes/origin', 3),
    tags: () => names('refs/tags', 2),
    has: async (other) =>
      (await ask('cat-file', '-e', `${checkedCommit(other)}^{commit}`)) !== undefined,
    files(of) {
      const known = lists.get(of) ?? list(of);
      lists.set(of, known);
      return known;
    },
    async contents(objects, spoolDir, read) {
      // Not a pipe to it: a list that nobody reads yet would hold both of us up.
      const temporary = await mkdtemp(join(spoolDir, 'git-'));
      const names = await open(join(temporary, 'objects'), 'wx+', 0o600);
      try {
        await names.writeFile(objects.map((object) => `${object}\n`).join(''));
        const stdin = await open(join(temporary, 'objects'));
        try {
          return await runProgram({ ...call(['cat-file', '--batch']), stdin }, (stdout) =>
            read(contentsIn(stdout)),
          );
        } finally {
          await stdin.close();
        }
      } finally {
        await names.close();
        await rm(temporary, { recursive: true, force: true });
      }
    },
  };
}

/** Labels of images are text from outside. */
function checkedCommit(commit: string): string {
  if (/^[0-9a-f]{40}(?:[0-9a-f]{24})?$/.test(commit)) return commit;
  throw new SlipwayError('CONTENT_INVALID', `${JSON.stringify(commit.slice(0, 100))} is no commit`);
}

function fileOf(line: string): readonly GitFile[] {
  const [, mode = '', object = '', path = ''] =
    /^([0-7]{6}) \w+ ([0-9a-f]{40,64})\t(.+)$/s.exec(line) ?? [];
  const kind = KINDS[mode];
  if (kind === undefined) return [];
  const parts = path.split('/');
  const isSafe = parts.every((part) => part !== '' && part !== '.' && part !== '..');
  if (isSafe && !parts.some((part) => part.startsWith('.wh.'))) return [{ path, kind, object }];
  throw new SlipwayError('CONTENT_INVALID', `git has a file ${JSON.stringify(path)}`, {
    hint: 'an image can have none of this name: leave it out with excludePaths, or rename it',
  });
}

/** `OBJECT TYPE SIZE`, a line feed, the content and another line feed (git-cat-file, --batch). */
async function* contentsIn(stdout: Bytes): AsyncGenerator<GitContent> {
  const chunks = stdout[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array();
  const more = async (): Promise<boolean> => {
    const next = await chunks.next();
    if (next.done === true) return false;
    rest = rest.byteLength === 0 ? next.value : Buffer.concat([rest, next.value]);
    return true;
  };
  const take = async function* (lengthBytes: number): Bytes {
    for (let left = lengthBytes; left > 0; ) {
      if (rest.byteLength === 0 && !(await more())) throw cut();
      const part = rest.subarray(0, left);
      rest = rest.subarray(part.byteLength);
      left -= part.byteLength;
      yield part;
    }
  };
  for (;;) {
    let end = rest.indexOf(10);
    while (end < 0) {
      if (rest.byteLength > MAX_HEADER_BYTES) throw cut();
      if (!(await more())) return;
      end = rest.indexOf(10);
    }
    const header = Buffer.from(rest.subarray(0, end)).toString();
    rest = rest.subarray(end + 1);
    const [, size] = /^[0-9a-f]+ blob ([0-9]+)$/.exec(header) ?? [];
    if (size === undefined) {
      throw new SlipwayError('CONTENT_MISSING', `git lacks a file: ${header.slice(0, 100)}`, {
        hint: 'fetch the whole repository: it may be a partial clone',
      });
    }
    yield { sizeBytes: Number(size), bytes: take(Number(size)) };
    for await (const _ of take(1));
  }
}

function cut(): SlipwayError {
  return new SlipwayError('COMMAND_FAILED', 'git ended in the middle of a file');
}
