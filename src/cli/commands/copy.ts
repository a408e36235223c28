import type { Command } from 'commander';
import type { PublishedImage } from '../../publish/publication.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context } from '../context.ts';
import { addImageFlags, addRegistryFlags, compressionSettings, wantedPlatforms } from '../flags.ts';
import { type Location, parseLocation } from '../location.ts';
import { compress, derive, openDestination, openImage } from '../open.ts';
import { openPlannedDestination } from '../planned-destination.ts';
import { addPublishFlags, type PublishFlags } from '../publish-flags.ts';
import { type Publishing, publishOrPlan } from '../publishing.ts';
import { withReferrers } from '../with-referrers.ts';

/** `slipway copy SRC DEST [DEST…]` */
export function command(cli: Cli): Command {
  const copy = newCommand('copy', 'copy an image between any two locations')
    .usage('[options] SRC DEST [DEST...]')
    .argument('<SRC>', 'where the image is')
    .argument('<DEST...>', 'where it goes');
  addPublishFlags(addImageFlags(copy));
  return addRegistryFlags(copy)
    .addHelpText('after', LOCATIONS_HELP)
    .action(async (source: string, targets: string[], flags: PublishFlags) => {
      const from = parseLocation(source);
      const to = targets.map(parseLocation);
      const isArchiveOut = to.some((location) => 'path' in location && location.path === '-');
      await run(cli, flags, hostsOf([from, ...to]), (context) =>
        publishOrPlan(cli, context, { ...flags, isArchiveOut }, () =>
          copyImage(context, from, to, flags),
        ),
      );
    });
}

const LOCATIONS_HELP = `
Locations:
  docker://HOST/PATH[:TAG|@DIGEST]  a registry
  oci:DIR[:NAME]                    an OCI image layout
  oci-archive:FILE[:NAME]           the same in a tar file; - is standard input or output
  docker-archive:FILE[:NAME]        what docker save writes
  docker-daemon:NAME[:TAG]          a running Docker or Podman
  NAME[:TAG]                        the local store; as a source also a running engine

Layers that are not compressed yet are compressed on the way to registries and OCI layouts.

Examples:
  slipway copy docker://docker.io/library/alpine:3 oci:alpine:3
  slipway copy docker-archive:app.tar docker://localhost:5000/app:1`;

async function copyImage(
  context: Context,
  from: Location,
  to: readonly Location[],
  flags: PublishFlags,
): Promise<Publishing> {
  const openTarget = flags.dryRun === true ? openPlannedDestination : openDestination;
  const image = await openImage(context, from);
  const images: PublishedImage[] = [];
  const finishes: (() => Promise<void>)[] = [];
  const asIs = await derive(context, image, {
    ...flags,
    compression: 'keep',
    forceCompression: false,
  });
  let compressed = asIs;
  for (const location of to) {
    const { destination, finish, isCompressed, fit } = await openTarget(context, location);
    const settings = compressionSettings(flags);
    const wantsCompression =
      flags.compression !== undefined || flags.forceCompression === true || isCompressed;
    if (wantsCompression && compressed === asIs) {
      compressed = await compress(context, asIs, settings, flags.forceCompression);
    }
    const wanted = wantsCompression ? compressed : asIs;
    const graph = fit === undefined ? wanted : await fit(wanted, wantedPlatforms(flags)?.[0]);
    const copied: PublishedImage = { graph, destinations: [destination] };
    images.push(...(flags.withReferrers ? await withReferrers(context, image, copied) : [copied]));
    finishes.push(finish);
  }
  return {
    images,
    async finish() {
      for (const finish of finishes) await finish();
    },
  };
}

function hostsOf(locations: readonly Location[]): readonly string[] {
  const hosts = locations.flatMap((location) =>
    location.transport === 'docker' ? [location.reference.host] : [],
  );
  return [...new Set(hosts)];
}
