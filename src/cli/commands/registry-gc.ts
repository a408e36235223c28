import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { collectGarbage } from '../../server/collect.ts';
import { type Cli, newCommand } from '../command.ts';
import { formatBytes } from '../units.ts';

interface CollectFlags {
  readonly storage: string;
  readonly minAge: number;
  readonly untagged?: boolean;
  readonly dryRun?: boolean;
}

/** `slipway registry gc` */
export function collectCommand(cli: Cli): Command {
  const { output, signal } = cli;
  return newCommand('gc', "remove what no image of a registry's storage needs")
    .requiredOption('--storage <DIR>', 'the folder that registry serve keeps images in')
    .addOption(
      new Option('--min-age <DURATION>', 'leave what was pushed less than so long ago (s, m, h, d)')
        .argParser(parseDuration)
        .default(parseDuration('24h'), '24h'),
    )
    .option('--untagged', 'also remove images without a tag, but not signatures of one that has')
    .option('--dry-run', 'only show what would go')
    .addHelpText(
      'after',
      `
Registries may serve the folder, and clients push to it, meanwhile: a push that takes longer than
--min-age is all that can be disturbed. Uploads that nobody went on with for so long go, too.

Example:
  slipway registry gc --storage ./registry --dry-run`,
    )
    .action(async ({ storage, minAge, untagged, dryRun }: CollectFlags) => {
      let bytes = 0;
      const collecting = { storage, minAgeMs: minAge, untagged, dryRun, signal };
      for await (const collected of collectGarbage(collecting)) {
        const { repository } = collected;
        for (const { digest } of collected.entries)
          output.out(`untagged: ${repository}@${digest}\n`);
        for (const digest of collected.blobs) output.out(`deleted: ${repository}@${digest}\n`);
        bytes += collected.bytes;
      }
      const verb = dryRun ? 'would be reclaimed' : 'reclaimed';
      output.out(`Total ${verb} space: ${formatBytes(bytes)}\n`);
    });
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1e3, m: 60e3, h: 3600e3, d: 86_400e3 };

function parseDuration(text: string): number {
  const match = /^([0-9]{1,6})([smhd])$/.exec(text);
  const unitMs = UNIT_MS[match?.[2] ?? ''];
  if (match === null || unitMs === undefined) {
    throw new InvalidArgumentError('not a duration such as 90m, 24h or 7d');
  }
  return Number(match[1]) * unitMs;
}
