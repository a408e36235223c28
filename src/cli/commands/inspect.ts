import type { Command } from 'commander';
import { formatPlatform } from '../../oci/platform.ts';
import { readTop, type TopOfImage } from '../../upkeep/remote-image.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { RegistryFlags } from '../context.ts';
import { addRegistryFlags } from '../flags.ts';
import { safeJson } from '../output.ts';
import { hostsOfLocation, openPlace, parseRemote } from '../remote.ts';

interface InspectFlags extends RegistryFlags {
  readonly raw?: boolean;
  readonly config?: boolean;
}

/** `slipway inspect REF` */
export function command(cli: Cli): Command {
  const inspect = newCommand('inspect', 'show an image at a registry, as JSON; no layer is read')
    .argument('<REF>', 'HOST/PATH[:TAG|@DIGEST], or another location')
    .option('--raw', 'the bytes of the manifest as they are')
    .option('--config', 'the config of the image as it is');
  return addRegistryFlags(inspect).action(async (text: string, flags: InspectFlags) => {
    const location = parseRemote(text);
    await run(cli, flags, hostsOfLocation(location), async (context) => {
      const { place, reference, name } = await openPlace(context, location, 'mirrors');
      const top = await readTop(place, reference, { signal: context.signal });
      if (flags.raw === true) {
        context.output.out(Buffer.from(top.bytes).toString('utf8'));
        return;
      }
      const shown = flags.config === true ? (top.config?.json ?? null) : summary(top, name);
      context.output.out(`${safeJson(shown, 2)}\n`);
    });
  });
}

function summary({ root, document, config }: TopOfImage, name: string): object {
  const shared = {
    name,
    digest: root.digest,
    mediaType: root.mediaType,
    size: root.size,
    ...(document.annotations === undefined ? {} : { annotations: document.annotations }),
  };
  if (document.kind === 'index') {
    return {
      ...shared,
      manifests: document.manifests.map(({ platform, digest, mediaType, size }) => ({
        ...(platform === undefined ? {} : { platform: formatPlatform(platform) }),
        digest,
        mediaType,
        size,
      })),
    };
  }
  const platform = config?.platform;
  return {
    ...shared,
    ...(document.artifactType === undefined ? {} : { artifactType: document.artifactType }),
    ...(platform === undefined ? {} : { platform: formatPlatform(platform) }),
    ...(config?.created === undefined ? {} : { created: config.created }),
    labels: config?.labels ?? {},
    config: { digest: document.config.digest, size: document.config.size },
    layers: document.layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
  };
}
