import type { Command } from 'commander';
import { formatRepository, parseReference } from '../../oci/reference.ts';
import type { PlatformImage } from '../../upkeep/local-images.ts';
import { type Cli, newCommand, run } from '../command.ts';
import { choosePlatform, findLocalImage, type NamedImage } from '../local-image.ts';
import { safeJson } from '../output.ts';

/** `slipway image inspect NAME…`: docker's fields, as JSON. */
export function inspectCommand(cli: Cli): Command {
  return newCommand('inspect', 'show all that is known of local images, as JSON')
    .argument('<IMAGE...>', 'names of local images')
    .option('--platform <PLATFORM>', 'which image of an index')
    .action(async (names: string[], flags: { platform?: string }) => {
      await run(cli, { quiet: true }, [], async (context) => {
        const found: object[] = [];
        for (const name of names) {
          const named = await findLocalImage(context, name);
          found.push(describe(named, choosePlatform(named.image, flags.platform)));
        }
        context.output.out(`${safeJson(found, 4)}\n`);
      });
    });
}

function describe({ image, names }: NamedImage, chosen: PlatformImage): object {
  const { config, manifest, platform } = chosen;
  const repositories = [...new Set(names.map((name) => formatRepository(parseReference(name))))];
  return {
    Id: image.root.digest,
    RepoTags: names,
    RepoDigests: repositories.map((repository) => `${repository}@${image.root.digest}`),
    Created: config?.created ?? '',
    Author: config?.json.author ?? '',
    Architecture: platform?.architecture ?? '',
    ...(platform?.variant === undefined ? {} : { Variant: platform.variant }),
    Os: platform?.os ?? '',
    Size: chosen.blobBytes,
    Config: config?.json.config ?? null,
    RootFS: { Type: 'layers', Layers: config?.diffIds ?? [] },
    Descriptor: {
      mediaType: image.root.mediaType,
      digest: image.root.digest,
      size: image.root.size,
    },
    Manifest: {
      mediaType: manifest.mediaType,
      digest: chosen.descriptor.digest,
      size: chosen.descriptor.size,
      config: manifest.config,
      layers: manifest.layers,
      ...(manifest.annotations === undefined ? {} : { annotations: manifest.annotations }),
    },
  };
}
