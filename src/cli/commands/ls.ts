import type { Command } from 'commander';
import { parseRepository } from '../../oci/reference.ts';
import { listManifests, listTags } from '../../upkeep/list-tags.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { RegistryFlags } from '../context.ts';
import { addRegistryFlags } from '../flags.ts';
import { safeJson } from '../output.ts';
import { formatTable } from '../table.ts';

interface LsFlags extends RegistryFlags {
  readonly digests?: boolean;
  readonly json?: boolean;
}

/** `slipway ls REPO` */
export function command(cli: Cli): Command {
  const ls = newCommand('ls', 'list the tags of a repository with their digests')
    .argument('<REPO>', 'HOST/PATH')
    .option(
      '--digests',
      'every manifest that the tags reach, also those without a tag: of indexes, signatures …',
    )
    .option('--json', 'as JSON');
  return addRegistryFlags(ls).action(async (text: string, flags: LsFlags) => {
    const name = parseRepository(text.replace(/^docker:\/\//, ''));
    await run(cli, flags, [name.host], async ({ registries, signal, output }) => {
      const repository = (await registries()).repository(name);
      if (flags.digests === true) {
        const rows = (await listManifests(repository, { signal })).flatMap(({ descriptor, tags }) =>
          (tags.length === 0 ? [undefined] : tags).map((tag) => ({
            imageDigest: descriptor.digest,
            ...(tag === undefined ? {} : { imageTag: tag }),
          })),
        );
        output.out(
          flags.json === true
            ? `${safeJson({ imageIds: rows }, 2)}\n`
            : formatTable(
                ['DIGEST', 'TAG'],
                rows.map(({ imageDigest, imageTag }) => [imageDigest, imageTag ?? '<none>']),
              ),
        );
        return;
      }
      const tags = await listTags(repository, { signal });
      const rows = tags.map(({ tag, descriptor: { digest, mediaType, size } }) => ({
        tag,
        digest,
        mediaType,
        size,
      }));
      output.out(
        flags.json === true
          ? `${safeJson({ repository: repository.name, tags: rows }, 2)}\n`
          : formatTable(
              ['TAG', 'DIGEST'],
              rows.map(({ tag, digest }) => [tag, digest]),
            ),
      );
    });
  });
}
