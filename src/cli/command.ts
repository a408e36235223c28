import { Command } from 'commander';
import type { PlanFile } from '../publish/plan-file.ts';
import { type Context, type RegistryFlags, withContext } from './context.ts';
import type { Output } from './output.ts';

/** What every command module is given. */
export interface Cli {
  readonly output: Output;
  /** each request is told, and more of what failed */
  readonly isDebug: boolean;
  /** aborted by the first SIGINT or SIGTERM */
  readonly signal: AbortSignal;
  /** the command line, from the command's name on */
  readonly args: readonly string[];
  /** the plan that is being applied */
  readonly planned?: PlanFile;
  /** Runs the command line of a plan instead. */
  apply(planned: PlanFile, more: readonly string[]): Promise<void>;
}

/** Makes the commander command of a module. */
export type CommandModule = { readonly command: (cli: Cli) => Command };

/** A command that shows its own help and leaves exiting to us. */
export function newCommand(name: string, summary: string): Command {
  return new Command(name).description(summary).exitOverride().showHelpAfterError(false);
}

/** Runs the work of a command with everything that it may need. */
export async function run(
  { output, signal, isDebug }: Cli,
  flags: RegistryFlags,
  ownHosts: readonly string[],
  work: (context: Context) => Promise<void>,
): Promise<void> {
  await withContext(output, signal, { ...flags, debug: isDebug }, ownHosts, work);
}
