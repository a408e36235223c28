import type { Command } from 'commander';

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
