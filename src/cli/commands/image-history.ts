import type { Command } from 'commander';
import { Option } from 'commander';
import type { PlatformImage } from '../../upkeep/local-images.ts';
import { type Cli, newCommand, run } from '../command.ts';
import { choosePlatform, findLocalImage } from '../local-image.ts';
import { safeJson, safeLine } from '../output.ts';
import { formatTable } from '../table.ts';
import { formatAge, formatBytes } from '../units.ts';

interface HistoryFlags {
  readonly platform?: string;
  readonly trunc?: boolean;
  readonly quiet?: boolean;
  readonly human?: boolean;
  readonly format?: string;
}

const SHORT_COMMAND = 45;

/** `slipway image history NAME` */
export function historyCommand(cli: Cli): Command {
  return newCommand('history', 'show how a local image came to be, newest step first')
    .argument('<IMAGE>', 'name of a local image')
    .option('--platform <PLATFORM>', 'which image of an index')
    .option('--no-trunc', 'whole commands and ids')
    .option('--no-human', 'sizes in bytes, times as they are')
    .option('-q, --quiet', 'only image ids')
    .addOption(new Option('--format <FORMAT>', 'of the list').choices(['table', 'json']))
    .action(async (name: string, flags: HistoryFlags) => {
      await run(cli, { quiet: true }, [], async (context) => {
        const { image } = await findLocalImage(context, name);
        const rows = historyRows(choosePlatform(image, flags.platform), flags);
        context.output.out(render(rows, flags));
      });
    });
}

type Row = Readonly<Record<'ID' | 'CreatedSince' | 'CreatedBy' | 'Size' | 'Comment', string>>;

function historyRows({ config, manifest, descriptor }: PlatformImage, flags: HistoryFlags): Row[] {
  const isShort = flags.trunc !== false;
  let layer = 0;
  const rows = (config?.history ?? []).map((step): Row => {
    const size = step.emptyLayer ? 0 : (manifest.layers[layer++]?.size ?? 0);
    const by = safeLine(step.createdBy ?? '', 10_000);
    return {
      ID: '<missing>',
      CreatedSince: flags.human === false ? safeLine(step.created ?? '') : formatAge(step.created),
      CreatedBy: isShort && by.length > SHORT_COMMAND ? `${by.slice(0, SHORT_COMMAND - 1)}…` : by,
      Size: flags.human === false ? String(size) : formatBytes(size),
      Comment: safeLine(step.comment ?? ''),
    };
  });
  rows.reverse();
  const id = isShort
    ? descriptor.digest.slice('sha256:'.length, 'sha256:'.length + 12)
    : descriptor.digest;
  return rows.map((row, at) => (at === 0 ? { ...row, ID: id } : row));
}

function render(rows: readonly Row[], flags: HistoryFlags): string {
  if (flags.quiet === true) return rows.map(({ ID }) => `${ID}\n`).join('');
  if (flags.format === 'json') return rows.map((row) => `${safeJson(row)}\n`).join('');
  return formatTable(
    ['IMAGE', 'CREATED', 'CREATED BY', 'SIZE', 'COMMENT'],
    rows.map((row) => [row.ID, row.CreatedSince, row.CreatedBy, row.Size, row.Comment]),
  );
}
