import type { Command } from 'commander';
import { walk } from '../../content/graph.ts';
import { isSlipwayError, SlipwayError } from '../../errors.ts';
import type { Layout } from '../../layout/layout.ts';
import { ANNOTATION } from '../../oci/annotations.ts';
import type { Digest } from '../../oci/digest.ts';
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
    const names =
      reference.digest === undefined
        ? [formatReference(reference)]
        : await namesOf(store, reference.digest, signal);
    let isGone = false;
    for (const name of names) {
      if ((await store.untag(name, { signal })) === undefined) continue;
      isGone = true;
      output.out(`${safeLine(`Untagged: ${shownName(name)}`)}\n`);
    }
    if (reference.digest !== undefined) {
      isGone = (await removeUnnamed(store, reference.digest, signal)) || isGone;
    }
    if (isGone) removed++;
    else missing.push(familiarReference(reference));
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

/** All names of an image. */
async function namesOf(
  store: Layout,
  digest: Digest,
  signal: AbortSignal,
): Promise<readonly string[]> {
  return (await store.entries({ signal })).flatMap((entry) => {
    const name = entry.annotations?.[ANNOTATION.refName];
    return entry.digest === digest && name !== undefined ? [name] : [];
  });
}

/** Removes an image that has no name, unless another one is made of it. */
async function removeUnnamed(store: Layout, digest: Digest, signal: AbortSignal): Promise<boolean> {
  const entries = await store.entries({ signal });
  if (!entries.some((entry) => entry.digest === digest)) return false;
  for (const entry of entries.filter((other) => other.digest !== digest)) {
    const below = await walk(store, entry, { signal }).catch((error: unknown) => {
      if (isSlipwayError(error)) return undefined;
      throw error;
    });
    if (below?.manifests.some(({ descriptor }) => descriptor.digest === digest)) return false;
  }
  return await store.removeManifest(digest, { signal });
}

/** Other tools may have written names that aren't references. */
function shownName(name: string): string {
  try {
    return familiarReference(parseReference(name));
  } catch {
    return name;
  }
}
