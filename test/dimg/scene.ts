import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type CommandLine, prepareCommandLine } from '../cli/in-process.ts';
import { busyboxRoot } from '../rig/images.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { mustRun, type RunResult } from '../rig/programs.ts';

/** A project in a git repository of its own. */
export interface Project {
  readonly folder: string;
  /** Writes files (text, or undefined to remove) and commits them; gives the commit. */
  commit(files: Readonly<Record<string, string | undefined>>): Promise<string>;
  git(...args: readonly string[]): Promise<string>;
}

/** Makes a project whose git sees no configuration of this machine. */
export async function makeProject(
  owner: Owner,
  files: Readonly<Record<string, string>>,
): Promise<Project> {
  const folder = path.join(await tempDir(owner), 'shop');
  await mkdir(folder);
  const env = {
    HOME: folder,
    GIT_CONFIG_NOSYSTEM: '1',
    ...{ GIT_AUTHOR_NAME: 'A', GIT_AUTHOR_EMAIL: 'a@example.org' },
    ...{ GIT_COMMITTER_NAME: 'A', GIT_COMMITTER_EMAIL: 'a@example.org' },
  };
  const git = (...args: readonly string[]) => mustRun('git', args, { cwd: folder, env });
  await git('init', '--quiet', '--initial-branch=main');
  const project: Project = {
    folder,
    git,
    async commit(changed) {
      for (const [name, text] of Object.entries(changed)) {
        const file = path.join(folder, name);
        await mkdir(path.dirname(file), { recursive: true });
        if (text === undefined) await git('rm', '--quiet', name);
        else await writeFile(file, text);
      }
      await git('add', '--all');
      await git('commit', '--quiet', '--message=change');
      return await git('rev-parse', 'HEAD');
    },
  };
  await project.commit(files);
  return project;
}

/** The command line with a base image in its store: `base`, a busybox. */
export interface DimgCommandLine extends CommandLine {
  /** Runs `slipway dimg …` in a project, which must succeed, and gives the states that it tells. */
  dimg(folder: string, ...args: readonly string[]): Promise<readonly string[]>;
  /** Like `dimg`, whatever comes out. */
  tryDimg(folder: string, ...args: readonly string[]): Promise<RunResult>;
}

export async function prepareDimg(
  owner: Owner,
  env: Readonly<Record<string, string>> = {},
): Promise<DimgCommandLine> {
  const commandLine = await prepareCommandLine(owner, env);
  const root = await busyboxRoot(owner);
  await writeFile(path.join(root, 'Dockerfile'), 'FROM scratch\nCOPY bin /bin\nENV PATH=/bin\n');
  await commandLine.must(['build', '--engine', 'native', '-t', 'base', root]);
  return {
    ...commandLine,
    dimg: async (folder, ...args) =>
      statesIn(await commandLine.must(['dimg', ...args, '--dir', folder])),
    tryDimg: (folder, ...args) => commandLine.run(['dimg', ...args, '--dir', folder]),
  };
}

/** What was told, without blanks between and times. */
export function statesIn(lines: readonly string[]): readonly string[] {
  return lines.map((line) => line.replace(/ {2,}/, ' ').replace(/ \d+\.\d+ sec$/, ''));
}
