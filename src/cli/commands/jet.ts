import type { Command } from 'commander';
import { type Cli, newCommand } from '../command.ts';
import { VERSION } from '../version.ts';
import { cleanupCommand, loadServiceCommand, runServiceCommand } from './jet-containers.ts';
import { decryptCommand, encryptCommand, generateCommand } from './jet-encryption.ts';
import { stepsCommand } from './jet-steps.ts';
import { validateCommand } from './jet-validate.ts';

/** `slipway jet …`: Codeship's pipelines. */
export function command(cli: Cli): Command {
  const jet = newCommand('jet', 'run Codeship pipelines: services, steps, push steps')
    // What follows a service's name is its command's own.
    .enablePositionalOptions();
  for (const child of [
    stepsCommand(cli),
    validateCommand(cli),
    loadServiceCommand(cli),
    runServiceCommand(cli),
    cleanupCommand(cli),
    generateCommand(cli),
    encryptCommand(cli),
    decryptCommand(cli),
    newCommand('version', 'show the version').action(() =>
      cli.output.out(`slipway ${VERSION} (jet)\n`),
    ),
  ]) {
    jet.addCommand(child);
  }
  return jet;
}
