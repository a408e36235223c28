import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { SlipwayError } from '../../errors.ts';
import { type Cli, newCommand, run } from '../command.ts';
import { formatBytes } from '../units.ts';

interface PruneFlags {
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

/** `slipway image prune` */
export function pruneCommand(cli: Cli): Command {
  return newCommand('prune', 'remove images without a name, and content that nothing needs')
    .option('-f, --force', 'do not ask')
    .option('--dry-run', 'only show what would go')
    .action(async (flags: PruneFlags) => {
      if (flags.force !== true && flags.dryRun !== true) await confirm(cli.signal);
      await run(cli, { quiet: true }, [], async ({ store, signal, output }) => {
        const dryRun = flags.dryRun === true;
        const pruned = await (await store()).prune({ unnamed: true, dryRun, signal });
        for (const { digest } of pruned.entries) output.out(`untagged: ${digest}\n`);
        for (const digest of pruned.blobs) output.out(`deleted: ${digest}\n`);
        const verb = dryRun ? 'would be reclaimed' : 'reclaimed';
        output.out(`Total ${verb} space: ${formatBytes(pruned.bytes)}\n`);
      });
    });
}

async function confirm(signal: AbortSignal): Promise<void> {
  if (process.stdin.isTTY !== true) {
    throw new SlipwayError('USAGE', 'there is no terminal to ask on', {
      hint: 'say --force to remove without being asked, or --dry-run to look first',
    });
  }
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await asking.question(
      'This will remove all images without a name, and all content that nothing needs.\nAre you sure you want to continue? [y/N] ',
      { signal },
    );
    if (!/^y(?:es)?$/i.test(answer.trim())) {
      throw new SlipwayError('INTERRUPTED', 'nothing was removed');
    }
  } finally {
    asking.close();
  }
}
