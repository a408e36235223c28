import { type Answer, askProgram, type ProgramVariables } from './engines/program.ts';

/**
 * How git is called in a repository that anybody may have made: none of its own settings may start
 * a program (monitors, hooks, checkers of signatures), …
 */
export const GIT_SETTINGS: readonly string[] = [
  ...['-c', 'core.fsmonitor=false'],
  ...['-c', 'core.hooksPath=/dev/null'],
  ...['-c', 'log.showSignature=false'],
];

/** … and nothing is fetched, which would start one too, or waits for a password. */
export const GIT_ENVIRONMENT: Readonly<Record<string, string>> = {
  GIT_ALLOW_PROTOCOL: 'none',
  GIT_NO_LAZY_FETCH: '1',
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
  LC_ALL: 'C',
};

/**
 * Takes git out of the repository that the environment may name: its hooks have such variables
 * (git-rev-parse, --local-env-vars; what is set for it by hand stays).
 */
export const NO_REPOSITORY: ProgramVariables = Object.fromEntries(
  [
    ...['GIT_DIR', 'GIT_WORK_TREE', 'GIT_IMPLICIT_WORK_TREE', 'GIT_COMMON_DIR', 'GIT_PREFIX'],
    ...['GIT_OBJECT_DIRECTORY', 'GIT_ALTERNATE_OBJECT_DIRECTORIES', 'GIT_QUARANTINE_PATH'],
    ...['GIT_INDEX_FILE', 'GIT_GRAFT_FILE', 'GIT_SHALLOW_FILE', 'GIT_NAMESPACE'],
    ...['GIT_REPLACE_REF_BASE', 'GIT_NO_REPLACE_OBJECTS', 'GIT_INTERNAL_SUPER_PREFIX'],
  ].map((name) => [name, undefined]),
);

/** Status of git-config where no name matches. */
const NOTHING_FOUND = 1;

/** Asks git something about the repository that a folder is in; undefined if there is no git. */
export async function askGit(
  words: readonly string[],
  {
    env = {},
    ...options
  }: {
    readonly cwd: string;
    readonly signal?: AbortSignal | undefined;
    readonly env?: ProgramVariables;
  },
): Promise<Answer | undefined> {
  const all = { ...options, env: { ...GIT_ENVIRONMENT, ...env } };
  return await askProgram('git', [...GIT_SETTINGS, ...words], all);
}

/**
 * Settings that switch the filters off that a repository brings with it: they are programs.
 * Undefined where git can't tell all of them, or one can't be named in a setting.
 */
export async function withoutOwnFilters(
  cwd: string,
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<readonly string[] | undefined> {
  const pattern = '^filter\\..*\\.(clean|process|smudge|required)$';
  // By scope, not --local: that leaves out included files and those of a work tree.
  const listed = ['config', '--show-scope', '--name-only', '-z', '--get-regexp', pattern];
  const answer = await askGit(listed, { cwd, signal });
  if (answer?.status !== 0 && answer?.status !== NOTHING_FOUND) return undefined;
  const words = answer.stdout.split('\0');
  const own = words.filter(
    (_, at) => at % 2 === 1 && ['local', 'worktree'].includes(words[at - 1] ?? ''),
  );
  // It ends a name at the first of them.
  if (own.some((name) => name.includes('='))) return undefined;
  return own.flatMap((name) => ['-c', `${name}=`]);
}

/**
 * What git says of files that differ from the commit; undefined where it can't say. They are read as
 * they are: filters of the repository's own are programs, and so are settings of its submodules.
 */
export async function askChanges(
  cwd: string,
  { signal }: { readonly signal?: AbortSignal | undefined },
): Promise<string | undefined> {
  const without = await withoutOwnFilters(cwd, { signal });
  if (without === undefined) return undefined;
  const status = ['status', '--porcelain', '--ignore-submodules=dirty', '--', '.'];
  const answer = await askGit([...without, ...status], { cwd, signal });
  return answer?.status === 0 ? answer.stdout : undefined;
}
