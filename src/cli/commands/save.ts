import type { Command } from 'commander';
import { createArchive } from '../../archive/write.ts';
import { SlipwayError } from '../../errors.ts';
import { formatReference, parseReference } from '../../oci/reference.ts';
import type { PublishedImage } from '../../publish/publication.ts';
import { publish } from '../../publish/publish.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context, RegistryFlags } from '../context.ts';
import { collectList } from '../flags.ts';
import { derive, openImage } from '../open.ts';

interface SaveFlags extends RegistryFlags {
  readonly output?: string;
  readonly platform?: readonly string[];
  readonly allPlatforms?: boolean;
}

/** `slipway save [-o FILE] IMAGE…` */
export function command(cli: Cli): Command {
  return newCommand(
    'save',
    'write local images into an archive that docker, podman and skopeo load',
  )
    .argument('<IMAGE...>', 'names of local images')
    .option('-o, --output <FILE>', 'the file to write; - or nothing is standard output')
    .option('--platform <LIST>', 'only these platforms of an index', collectList)
    .option('--all-platforms', 'images as they are stored, whatever --platform says')
    .option('-q, --quiet', 'show errors only')
    .action(async (names: string[], flags: SaveFlags) => {
      await run(cli, flags, [], (context) => saveImages(context, names, flags));
    });
}

async function saveImages(
  context: Context,
  names: readonly string[],
  flags: SaveFlags,
): Promise<void> {
  const { signal, emit } = context;
  const to = flags.output ?? '-';
  if (to === '-' && process.stdout.isTTY === true) {
    throw new SlipwayError('USAGE', 'cowardly refusing to save to a terminal', {
      hint: 'use the -o flag or redirect',
    });
  }
  const opened = [];
  for (const text of names) {
    const reference = parseReference(text);
    const graph = await openImage(context, { transport: 'store', reference });
    opened.push({
      reference,
      graph: await derive(context, graph, { ...flags, compression: 'keep' }),
    });
  }
  const target = await createArchive(to === '-' ? process.stdout : to, { kind: 'both', signal });
  context.onClose(() => target.abort());
  const images: PublishedImage[] = opened.map(({ reference, graph }) => ({
    graph,
    destinations: [
      { target, names: reference.digest === undefined ? [formatReference(reference)] : [] },
    ],
  }));
  const outcome = await publish({ images }, { signal, emit, nonDistributable: true });
  if (outcome.error !== undefined) throw outcome.error;
  await target.finish();
}
