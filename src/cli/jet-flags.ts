import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { CiFlags } from '../jet/ci.ts';
import { findKey, KEY_FILE } from '../jet/key.ts';
import { splitText } from '../jet/words.ts';
import type { PipelineFlags } from '../jet/workbench.ts';
import type { RegistryFlags } from './context.ts';

/** Options that say where a project's files are. */
export interface ProjectFlags {
  readonly dir: string;
  readonly servicesPath?: string;
  readonly stepsPath?: string;
}

/** Adds the options of commands that read a project. */
export function addProjectFlags(command: Command): Command {
  return command
    .option('--dir <DIR>', "the project's folder", '.')
    .option('--services-path <FILE>', 'the services file, from the project folder')
    .option('--steps-path <FILE>', 'the steps file, from the project folder');
}

/** Options of commands that run containers of a project. */
export interface StepsFlags extends ProjectFlags, RegistryFlags, CiFlags {
  readonly keyPath?: string;
  readonly tag?: string;
  readonly push?: boolean;
  readonly env?: readonly string[];
  readonly encryptedDockercfgPath?: string;
  readonly dockercfgService?: string;
  readonly dockercfgCommand?: readonly string[];
  readonly cache?: boolean;
  readonly pullIfPresent?: boolean;
  readonly parallel?: boolean;
  readonly remove?: boolean;
  readonly tty?: boolean;
  readonly keepVolumeContainers?: boolean;
}

/** Adds the options of commands that run containers of a project. */
export function addPipelineFlags(command: Command): Command {
  addProjectFlags(command)
    .option('--key-path <FILE>', `the AES key (default: ${KEY_FILE} in the project's folder)`)
    .option('-e, --env <NAME=VALUE>', 'a variable of every container; repeatable', variable)
    .option('--encrypted-dockercfg-path <FILE>', 'credentials of steps that name none themselves')
    .option('--dockercfg-service <SERVICE>', 'a service that writes them')
    .option(
      '--dockercfg-command <COMMAND>',
      'a program of this machine that writes them to the path it is given last',
      words,
    )
    .option('--no-cache', 'build anew what an earlier build has made')
    .option('--pull-if-present', 'look in registries for newer images than those that are here')
    .option('--no-remove', 'leave containers, networks and volumes in the engine')
    .option('--keep-volume-containers', 'leave volumes, and the containers that only hold them')
    .addOption(new Option('--print-build-output', 'what builds print is always shown').hideHelp())
    .option('-T, --no-tty', 'no terminal for the container of jet run; steps never have one');
  for (const [flag, what] of CI_FLAGS) command.option(`--ci-${flag} <TEXT>`, what);
  return command;
}

const CI_FLAGS = [
  ['branch', 'CI_BRANCH (default: that of --tag, then of git)'],
  ['build-id', 'CI_BUILD_ID'],
  ['commit-description', 'CI_COMMIT_DESCRIPTION (default: as git describes it)'],
  ['commit-id', 'CI_COMMIT_ID (default: the commit of the project folder)'],
  ['commit-message', 'CI_COMMIT_MESSAGE'],
  ['committer-email', 'CI_COMMITTER_EMAIL'],
  ['committer-name', 'CI_COMMITTER_NAME'],
  ['committer-username', 'CI_COMMITTER_USERNAME'],
  ['pr-number', 'CI_PR_NUMBER (default: that of our own environment)'],
  ['pull-request', 'CI_PULL_REQUEST (default: that of our own environment)'],
  ['project-id', 'CI_PROJECT_ID'],
  ['repo-name', 'CI_REPO_NAME'],
] as const;

/** What the options say about a run. */
export async function pipelineFlags(flags: StepsFlags): Promise<PipelineFlags> {
  return {
    ...flags,
    push: flags.push === true,
    env: flags.env ?? [],
    keyPath:
      flags.keyPath === undefined ? await findKey(resolve(flags.dir)) : resolve(flags.keyPath),
    noCache: flags.cache === false,
    pullIfPresent: flags.pullIfPresent === true,
    parallel: flags.parallel !== false,
    kept: flags.remove === false ? 'all' : flags.keepVolumeContainers ? 'volumes' : 'nothing',
  };
}

function variable(text: string, before: readonly string[] = []): readonly string[] {
  const [name = ''] = text.split('=', 1);
  if (name === '' || /\s/.test(name)) throw new InvalidArgumentError('not NAME=VALUE');
  if (text.includes('=')) return [...before, text];
  const value = process.env[name];
  return value === undefined ? before : [...before, `${name}=${value}`];
}

function words(text: string): readonly string[] {
  const found = splitText(text);
  if (typeof found === 'string') throw new InvalidArgumentError(`it ${found}`);
  return found;
}
