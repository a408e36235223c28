import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { canList, canRemoveManifests, canRemoveTags } from '../../content/transport.ts';
import { SlipwayError } from '../../errors.ts';
import type { Digest } from '../../oci/digest.ts';
import { listTags } from '../../upkeep/list-tags.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context, RegistryFlags } from '../context.ts';
import { addRegistryFlags } from '../flags.ts';
import { safeLine } from '../output.ts';
import { hostsOfLocation, type OpenPlace, openPlace, parseRemote } from '../remote.ts';

interface RmFlags extends RegistryFlags {
  readonly manifest?: boolean;
  readonly dryRun?: boolean;
  readonly force?: boolean;
}

/** `slipway rm REF [--manifest]` */
export function command(cli: Cli): Command {
  const rm = newCommand('rm', 'delete a tag at a registry; other tags of the same image stay')
    .argument('<REF>', 'HOST/PATH:TAG, with --manifest also HOST/PATH@DIGEST, or oci:DIR:NAME')
    .option('--manifest', 'delete the manifest itself, with every tag that names it')
    .option('--dry-run', 'show what would be deleted')
    .option('--force', 'with --manifest: do not ask');
  return addRegistryFlags(rm).action(async (text: string, flags: RmFlags) => {
    const location = parseRemote(text);
    if (location.transport === 'store') {
      throw new SlipwayError('USAGE', 'rm deletes at registries and in layouts', {
        hint: 'slipway rmi removes local images',
      });
    }
    await run(cli, flags, hostsOfLocation(location), async (context) => {
      const opened = await openPlace(context, location);
      if (flags.manifest === true) await removeManifest(context, opened, flags);
      else await removeTag(context, opened, location.transport === 'docker', flags);
    });
  });
}

async function removeTag(
  { signal, output }: Context,
  { place, reference, name }: OpenPlace,
  isRegistry: boolean,
  flags: RmFlags,
): Promise<void> {
  if (reference.includes(':') && isRegistry) {
    throw new SlipwayError('USAGE', `${name} is no tag`, {
      hint: 'slipway rm --manifest deletes a manifest, with every tag that names it',
    });
  }
  if (!canRemoveTags(place)) throw cannot(name);
  const { digest } = await place.resolve(reference, { signal });
  if (flags.dryRun !== true) await place.removeTag(reference, { signal });
  const would = flags.dryRun === true ? 'Would delete' : 'Deleted';
  output.out(`${safeLine(`${would} tag: ${place.name}:${reference}`)}\n`);
  output.err(`${safeLine(`it named ${digest}, which stays`)}\n`);
}

async function removeManifest(
  context: Context,
  { place, reference, name }: OpenPlace,
  flags: RmFlags,
): Promise<void> {
  const { signal, output } = context;
  if (!canRemoveManifests(place) || !canList(place)) throw cannot(name);
  const { digest } = await place.resolve(reference, { signal });
  const tags = (await listTags(place, { signal }))
    .filter(({ descriptor }) => descriptor.digest === digest)
    .map(({ tag }) => tag);
  const isDry = flags.dryRun === true;
  const tell = isDry ? output.out : output.err;
  for (const tag of tags) tell(`${safeLine(`goes with it: ${place.name}:${tag}`)}\n`);
  if (!isDry) {
    if (flags.force !== true) await confirm(context, `${place.name}@${digest}`, tags.length);
    if (!(await place.removeManifest(digest as Digest, { signal }))) throw gone(name);
  }
  const would = isDry ? 'Would delete' : 'Deleted';
  output.out(`${safeLine(`${would} manifest: ${place.name}@${digest}`)}\n`);
}

async function confirm({ signal, output }: Context, name: string, tags: number): Promise<void> {
  if (!output.isTerminal || !process.stdin.isTTY) {
    throw new SlipwayError('USAGE', `nobody is here to ask whether ${name} may be deleted`, {
      hint: 'say --force, or look first with --dry-run',
    });
  }
  const reader = createInterface({ input: process.stdin });
  try {
    output.err(`Delete ${safeLine(name)} and ${tags} tag${tags === 1 ? '' : 's'}? [y/N] `);
    const answer = await reader.question('', { signal });
    if (/^y(?:es)?$/i.test(answer.trim())) return;
  } finally {
    reader.close();
  }
  throw new SlipwayError('USAGE', 'nothing was deleted');
}

function cannot(name: string): SlipwayError {
  return new SlipwayError('UNSUPPORTED', `nothing can be deleted in ${name}`, {
    hint: 'rm deletes at registries and in layouts',
  });
}

function gone(name: string): SlipwayError {
  return new SlipwayError('NOT_FOUND', `${name} is not there any more`, { side: 'destination' });
}
