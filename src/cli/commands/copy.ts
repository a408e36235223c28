import type { Command } from 'commander';
import { Option } from 'commander';
import type { PublishedImage } from '../../publish/publication.ts';
import { publish } from '../../publish/publish.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context, RegistryFlags } from '../context.ts';
import { addImageFlags, addRegistryFlags, compressionSettings, type ImageFlags } from '../flags.ts';
import { type Location, parseLocation } from '../location.ts';
import { compress, derive, openDestination, openImage } from '../open.ts';
import { checkResultFiles, type ResultFlags, tellResults } from '../publish-results.ts';
import { verifyDestinations } from '../verify-destinations.ts';

interface CopyFlags extends RegistryFlags, ImageFlags, ResultFlags {
  readonly allowNondistributableArtifacts?: boolean;
  readonly verify?: boolean;
}

/** `slipway copy SRC DEST [DEST…]` */
export function command(cli: Cli): Command {
  const copy = newCommand('copy', 'copy an image between any two locations')
    .usage('[options] SRC DEST [DEST...]')
    .argument('<SRC>', 'where the image is')
    .argument('<DEST...>', 'where it goes');
  addImageFlags(copy)
    .option('--allow-nondistributable-artifacts', 'copy foreign layers too')
    .option('--verify', 'read back what was copied to registries, layouts and the store')
    .option('--digestfile <FILE>', 'write the digest to FILE')
    .option('--image-refs <FILE>', 'write the destinations with their digests to FILE')
    .addOption(new Option('--format <FORMAT>', 'of the result').choices(['text', 'json']));
  return addRegistryFlags(copy)
    .addHelpText('after', LOCATIONS_HELP)
    .action(async (source: string, targets: string[], flags: CopyFlags) => {
      const from = parseLocation(source);
      const to = targets.map(parseLocation);
      await run(cli, flags, hostsOf([from, ...to]), (context) =>
        copyImage(context, from, to, flags),
      );
    });
}

const LOCATIONS_HELP = `
Locations:
  docker://HOST/PATH[:TAG|@DIGEST]  a registry
  oci:DIR[:NAME]                    an OCI image layout
  oci-archive:FILE[:NAME]           the same in a tar file; - is standard input or output
  docker-archive:FILE[:NAME]        what docker save writes
  NAME[:TAG]                        the local store

Layers that are not compressed yet are compressed on the way to registries and OCI layouts.

Examples:
  slipway copy docker://docker.io/library/alpine:3 oci:alpine:3
  slipway copy docker-archive:app.tar docker://localhost:5000/app:1`;

async function copyImage(
  context: Context,
  from: Location,
  to: readonly Location[],
  flags: CopyFlags,
): Promise<void> {
  await checkResultFiles(flags);
  const image = await openImage(context, from);
  const images: PublishedImage[] = [];
  const finishes: (() => Promise<void>)[] = [];
  const asIs = await derive(context, image, { ...flags, compression: 'keep' });
  let compressed = asIs;
  for (const location of to) {
    const { destination, finish, isCompressed } = await openDestination(context, location);
    const settings = compressionSettings(flags);
    const wantsCompression = flags.compression !== undefined || isCompressed;
    if (wantsCompression && compressed === asIs) {
      compressed = await compress(context, asIs, settings);
    }
    images.push({ graph: wantsCompression ? compressed : asIs, destinations: [destination] });
    finishes.push(finish);
  }
  const { signal, emit } = context;
  const outcome = await publish(
    { images },
    { signal, emit, nonDistributable: flags.allowNondistributableArtifacts === true },
  );
  if (outcome.error === undefined) {
    for (const finish of finishes) await finish();
    if (flags.verify === true) await verifyDestinations(context, images, outcome);
  }
  const isArchiveOut = to.some((location) => 'path' in location && location.path === '-');
  await tellResults(context, outcome, { ...flags, isArchiveOut });
}

function hostsOf(locations: readonly Location[]): readonly string[] {
  const hosts = locations.flatMap((location) =>
    location.transport === 'docker' ? [location.reference.host] : [],
  );
  return [...new Set(hosts)];
}
