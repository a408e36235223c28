import type { Command } from 'commander';
import { Option } from 'commander';
import { openArchive } from '../../archive/archive.ts';
import { graphOf } from '../../content/graph.ts';
import { isSlipwayError, SlipwayError } from '../../errors.ts';
import { familiarReference, formatReference, parseReference } from '../../oci/reference.ts';
import type { PublishedImage } from '../../publish/publication.ts';
import { publish } from '../../publish/publish.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context, RegistryFlags } from '../context.ts';
import { collectList } from '../flags.ts';
import { refuseDigest } from '../location.ts';
import { derive } from '../open.ts';
import { safeLine } from '../output.ts';
import { PROGRESS_STYLES } from '../report/reporter.ts';

interface LoadFlags extends RegistryFlags {
  readonly input?: string;
  readonly platform?: readonly string[];
  readonly allPlatforms?: boolean;
  /** false for --no-names */
  readonly names?: boolean;
}

/** `slipway load [-i FILE] [NAME=…]` */
export function command(cli: Cli): Command {
  return newCommand('load', 'get images from an archive into the local store')
    .argument('[NAME=REF...]', 'store the image called NAME (or, as =REF, the only one) as REF')
    .option(
      '-i, --input <FILE>',
      'a file written by docker save, podman save or slipway save; - or nothing is standard input',
    )
    .option('--platform <LIST>', 'only these platforms of an index', collectList)
    .option('--all-platforms', 'images as they are stored, whatever --platform says')
    .option('--no-names', 'give the images no names: they can be used by digest')
    .addOption(
      new Option('--progress <STYLE>', 'how progress is shown')
        .choices([...PROGRESS_STYLES])
        .default('auto'),
    )
    .option('-q, --quiet', 'show results and errors only')
    .action(async (assignments: string[], flags: LoadFlags) => {
      await run(cli, flags, [], (context) => loadImages(context, assignments, flags));
    });
}

async function loadImages(
  context: Context,
  assignments: readonly string[],
  flags: LoadFlags,
): Promise<void> {
  const { signal, emit, output } = context;
  const input = flags.input ?? '-';
  if (input === '-' && process.stdin.isTTY === true) {
    throw new SlipwayError('USAGE', 'requested load from stdin, but stdin is empty', {
      hint: 'name a file with -i FILE',
    });
  }
  const renames = parseAssignments(assignments);
  const archive = await openArchive(input, { spoolDir: await context.home(), signal });
  context.onClose(() => archive.close());
  for (const message of archive.warnings) emit({ type: 'warning', message });
  const store = await context.store();
  const chosen = chooseImages(archive.images(), renames, flags.names !== false);
  const images: PublishedImage[] = [];
  for (const { key, names } of chosen) {
    const root = await archive.resolve(key, { signal });
    const graph = await derive(context, graphOf(archive, root, input), {
      ...flags,
      compression: 'keep',
    });
    images.push({ graph, destinations: [{ target: store, names }] });
  }
  const before = new Map<string, string>();
  for (const name of chosen.flatMap(({ names }) => names)) {
    const current = await store.resolve(name, { signal }).catch((error: unknown) => {
      if (isSlipwayError(error, 'NOT_FOUND')) return undefined;
      throw error;
    });
    if (current !== undefined) before.set(name, current.digest);
  }
  const outcome = await publish({ images }, { signal, emit, nonDistributable: true });
  if (outcome.error !== undefined) throw outcome.error;
  for (const { tags, digest } of outcome.destinations) {
    if (tags.length === 0) output.out(`Loaded image ID: ${digest}\n`);
    for (const name of tags) {
      output.out(`${safeLine(`Loaded image: ${familiarReference(parseReference(name))}`)}\n`);
      const old = before.get(name);
      if (old !== undefined && old !== digest) output.err(`${name} moved: ${old} → ${digest}\n`);
    }
  }
}

interface ChosenImage {
  /** what the archive calls it */
  readonly key: string;
  /** what the store will call it */
  readonly names: readonly string[];
}

function chooseImages(
  images: readonly { readonly names: readonly string[]; readonly key: string }[],
  renames: readonly Rename[],
  useEmbedded: boolean,
): readonly ChosenImage[] {
  if (renames.length > 0) {
    const byKey = Map.groupBy(renames, ({ key }) => key);
    return [...byKey].map(([key, same]) => ({ key, names: same.map(({ name }) => name) }));
  }
  return images.map(({ names, key }) => ({
    key,
    names: useEmbedded ? names.map((name) => formatReference(parseReference(name))) : [],
  }));
}

/** `NAME=REF`: what the archive calls an image, and what the store will. */
interface Rename {
  readonly key: string;
  readonly name: string;
}

function parseAssignments(texts: readonly string[]): readonly Rename[] {
  return texts.map((text) => {
    const equals = text.lastIndexOf('=');
    if (equals < 0) {
      throw new SlipwayError('USAGE', `${JSON.stringify(text)} is not NAME=REF`, {
        hint: 'to load from a file, write -i FILE',
      });
    }
    const reference = parseReference(text.slice(equals + 1));
    refuseDigest(reference);
    return { key: text.slice(0, equals), name: formatReference(reference) };
  });
}
