import type { Command } from 'commander';
import { SlipwayError } from '../../errors.ts';
import { familiarReference, formatReference, parseReference } from '../../oci/reference.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context } from '../context.ts';
import { safeLine } from '../output.ts';

/** `slipway rmi IMAGE…` */
export function command(cli: Cli): Command {
  return newCommand('rmi', 'remove local images')
    .argument('<IMAGE...>', 'names; an image without any name left is removed with its content')
    .option('-f, --force', 'an image that is not there is no error')
    .option('--no-prune', 'keep content that nothing needs any more')
    .action(async (names: string[], flags: { force?: boolean; prune?: boolean }) => {
      await run(cli, { quiet: true }, [], (context) => removeImages(context, names, flags));
    });
}

async function removeImages(
  context: Context,
  names: readonly string[],
  flags: { readonly force?: boolean; readonly prune?: boolean },
): Promise<void> {
  const { signal, output } = context;
  const store = await context.store();
  const missing: string[] = [];
  let removed = 0;
  for (const text of names) {
    const reference = parseReference(text);
    const isGone =
      reference.digest === undefined
        ? (await store.untag(formatReference(reference), { signal })) !== undefined
        : await store.removeManifest(reference.digest, { signal });
    if (!isGone) {
      missing.push(familiarReference(reference));
      continue;
    }
    removed++;
    const verb = reference.digest === undefined ? 'Untagged' : 'Deleted';
    output.out(`${safeLine(`${verb}: ${familiarReference(reference)}`)}\n`);
  }
  if (removed > 0 && flags.prune !== false) {
    for (const digest of (await store.prune({ signal })).blobs) output.out(`Deleted: ${digest}\n`);
  }
  if (missing.length > 0 && flags.force !== true) {
    throw new SlipwayError('NOT_FOUND', `No such image: ${missing.join(', ')}`, {
      hint: 'slipway images shows those there are',
    });
  }
}
