import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import type { TagOptions } from '../dimg/tags.ts';
import { SlipwayError } from '../errors.ts';
import type { RegistryFlags } from './context.ts';
import { addRegistryFlags, wholeNumber } from './flags.ts';
import { VERSION } from './version.ts';

/** Options of every dimg command, as commander gives them. */
export interface DimgFlags extends RegistryFlags {
  readonly dir?: string;
  readonly name?: string;
  readonly buildDir?: string;
  readonly tmpDirPrefix?: string;
  /** seconds */
  readonly lockTimeout?: number;
  readonly network?: string;
  readonly stagesFrom?: string;
  readonly sshKey?: readonly string[];
  readonly introspectError?: boolean;
  readonly introspectBeforeError?: boolean;
  readonly introspectStage?: string;
  readonly introspectBefore?: string;
  readonly introspectArtifactStage?: string;
  readonly introspectArtifactBefore?: string;
  readonly dryRun?: boolean;
  readonly dev?: boolean;
  readonly verbose?: boolean;
  readonly time?: boolean;
  readonly color?: 'auto' | 'on' | 'off';
  readonly registryUsername?: string;
  readonly registryPassword?: string;
}

/** Options of commands that give names. */
export interface DimgPushFlags extends DimgFlags, TagOptions {
  readonly withStages?: boolean;
}

/** Adds the options that say where a project is. */
export function addProjectFlags(command: Command): Command {
  return command
    .version(`slipway ${VERSION}`, '--version', 'show the version')
    .option('--dir <PATH>', 'the folder of the project (default: this one)')
    .option('--name <NAME>', 'what the project is called, where werf.yaml does not say it');
}

/** Adds the options of all that works with stages. */
export function addDimgFlags(command: Command): Command {
  addProjectFlags(command)
    .option('--build-dir <PATH>', 'where mounts from build_dir are kept')
    .option('--tmp-dir-prefix <PREFIX>', 'where temporary folders of mounts are made')
    .addOption(
      new Option('--lock-timeout <SEC>', 'how long to wait for others (default: 86400)').argParser(
        wholeNumber,
      ),
    )
    .option('--dry-run', 'tell what would be done, and do nothing')
    .option('--dev', 'files as they are, not as they were committed; stages apart from others')
    .option('--verbose', 'also tell signatures and commands of stages')
    .option('--time', 'tell when')
    .addOption(
      new Option('--color <MODE>', 'colours of states (default: auto)').choices([
        'auto',
        'on',
        'off',
      ]),
    )
    .option(
      '--ignore-config-sequential-processing-warnings',
      'accepted for users of werf; there are no such warnings',
    )
    .option('--registry-username <USER>', 'who we are to the registry of REPO')
    .option('--registry-password <PASSWORD>', 'its password; others on this machine can see it');
  return addRegistryFlags(command);
}

/** Options of werf that make no sense here, and what does. */
const NOT_HERE = [
  ['--use-system-tar', 'leave it out: no tar program is used'],
  ['--build-context-directory <DIR>', '--introspect-error shows what a stage that failed is like'],
] as const;

/** Adds the options of commands that build. */
export function addStageBuildFlags(command: Command): Command {
  for (const [flags, hint] of NOT_HERE) {
    const option = new Option(flags).hideHelp();
    command.addOption(option).on(`option:${option.name()}`, () => {
      throw new SlipwayError('USAGE', `--${option.name()} is not supported`, { hint });
    });
  }
  return command
    .option('--network <NETWORK>', 'network of the commands of stages: none, host or a name')
    .option('--stages-from <REPO>', 'take stages from there that the store does not have')
    .option('--force-save-cache', 'accepted for users of werf; stages are always kept')
    .option(
      '--ssh-key <FILE>',
      'a key for remote repositories, instead of ssh-agent; repeatable',
      collect,
    )
    .option('--introspect-error', 'a shell where the commands of a stage failed')
    .option('--introspect-before-error', 'a shell in what the commands that failed began with')
    .option('--introspect-stage <STAGE>', 'a shell in this stage of dimgs when it is built')
    .option('--introspect-before <STAGE>', 'a shell in what stands below this stage of dimgs')
    .option('--introspect-artifact-stage <STAGE>', 'the same in a stage of artifacts')
    .option('--introspect-artifact-before <STAGE>', 'the same below a stage of artifacts');
}

/** Adds the option that names one stage of a dimg. */
export function addStageFlag(command: Command): Command {
  return command.option('--stage <NAME>', 'which one (default: the last)');
}

/** Adds the options that say which tags are meant. */
export function addTagFlags(command: Command): Command {
  const repeatable = (flags: string, description: string) =>
    new Option(flags, description).argParser(collect);
  return command
    .addOption(repeatable('--tag <TAG>', 'any text, as a slug; repeatable'))
    .addOption(repeatable('--tag-slug <TAG>', 'the same'))
    .addOption(repeatable('--tag-plain <TAG>', 'a tag as it is; repeatable'))
    .option('--tag-branch', 'the branch of git, as a slug')
    .option('--tag-commit', 'the commit of git')
    .option('--tag-build-id', 'the number of the build in CI')
    .option('--tag-ci', 'the tag or branch that CI builds, as a slug');
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  if (text.includes('\0')) throw new InvalidArgumentError('not a text');
  return [...before, text];
}
