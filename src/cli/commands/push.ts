import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { SlipwayError } from '../../errors.ts';
import {
  familiarReference,
  formatReference,
  formatRepository,
  isTag,
  parseReference,
  parseRepository,
  type Reference,
} from '../../oci/reference.ts';
import type { PublishedImage } from '../../publish/publication.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context } from '../context.ts';
import { addImageFlags, addRegistryFlags } from '../flags.ts';
import { parseLocation, parsePushReference } from '../location.ts';
import { derive, openImage } from '../open.ts';
import { addPublishFlags, type PublishFlags } from '../publish-flags.ts';
import { publishOrPlan, readPlan } from '../publishing.ts';
import { hostsOfLocation } from '../remote.ts';
import { withReferrers } from '../with-referrers.ts';

interface PushFlags extends PublishFlags {
  readonly from?: string;
  readonly tag?: readonly string[];
  readonly allTags?: boolean;
  readonly plan?: string;
}

/** `slipway push [--from LOCATION] REF…` */
export function command(cli: Cli): Command {
  const push = newCommand('push', 'publish images to registries')
    .usage('[options] REF [REF...]')
    .argument('[REF...]', 'HOST/PATH[:TAG]; without --from also the name of the local image')
    .option('--from <LOCATION>', 'the image to publish under each REF')
    .addOption(
      new Option('--tag <T>', 'a further tag beside that of each REF; repeatable').argParser(tags),
    )
    .option('-a, --all-tags', 'every local tag of each NAME');
  addPublishFlags(addImageFlags(push)).option('--plan <FILE>', 'apply what --plan-out wrote');
  return addRegistryFlags(push)
    .addHelpText(
      'after',
      `
With --from, the one image goes to every REF, to one or more registries. Without it, each REF
names a local image and goes to that name; several are one release: no tag moves until all
content of all of them is in place.

Examples:
  docker save app | slipway push --from docker-archive:- localhost:5000/app:1
  slipway push --from oci:build/image:latest registry.example.com/app:1 ghcr.io/me/app:1
  slipway push localhost:5000/app:1 localhost:5000/worker:1`,
    )
    .action(async (refs: string[], flags: PushFlags) => {
      if (flags.plan !== undefined) return await applyPlan(cli, flags.plan, refs);
      if (refs.length === 0)
        throw new SlipwayError('USAGE', "missing required argument 'REF'", {
          hint: 'slipway push --help shows how it is used',
        });
      const references = refs.map(parsePushReference);
      const source = flags.from === undefined ? [] : hostsOfLocation(parseLocation(flags.from));
      await run(cli, flags, [...new Set([...hostsOf(references), ...source])], (context) =>
        publishOrPlan(cli, context, flags, async () => ({
          images:
            flags.from === undefined
              ? await localImages(context, refs, references, flags)
              : await oneImage(context, flags.from, references, flags),
        })),
      );
    });
}

/** Runs the command line of a plan; what was given beside it says how that is told. */
async function applyPlan(cli: Cli, path: string, refs: readonly string[]): Promise<void> {
  if (refs.length > 0 || cli.planned !== undefined) {
    throw new SlipwayError('USAGE', 'a plan says itself what is published where', {
      hint: 'leave the references out, or --plan',
    });
  }
  const planned = await readPlan(path);
  const [name = ''] = planned.command;
  if (name !== 'push' && name !== 'copy' && name !== 'index') {
    throw new SlipwayError('CONFIG_INVALID', `${path} is a plan of another command`, { path });
  }
  const more = cli.args
    .slice(1)
    .filter(
      (arg, at, all) => arg !== '--plan' && all[at - 1] !== '--plan' && !arg.startsWith('--plan='),
    );
  await cli.apply(planned, more);
}

/** One image for all references; those of one repository are one destination. */
async function oneImage(
  context: Context,
  from: string,
  references: readonly Reference[],
  flags: PushFlags,
): Promise<readonly PublishedImage[]> {
  if (flags.allTags === true)
    throw new SlipwayError('USAGE', '--from and --all-tags exclude each other');
  const found = await openImage(context, parseLocation(from));
  const graph = await derive(context, found, flags);
  const registries = await context.registries();
  const byRepository = Map.groupBy(references, formatRepository);
  const image: PublishedImage = {
    graph,
    destinations: [...byRepository.values()].map((group) => {
      const [first] = group as [Reference];
      const names = new Set([...group.map(({ tag = 'latest' }) => tag), ...(flags.tag ?? [])]);
      return { target: registries.repository(first), names: [...names], host: first.host };
    }),
  };
  return flags.withReferrers === true ? await withReferrers(context, found, image) : [image];
}

/** Each reference is a local image; all are found before anything is sent. */
async function localImages(
  context: Context,
  refs: readonly string[],
  references: readonly Reference[],
  flags: PushFlags,
): Promise<PublishedImage[]> {
  const wanted =
    flags.allTags === true
      ? await allTags(context, refs)
      : defaulted(context, refs, references, flags);
  const opened = [];
  for (const reference of wanted) {
    const graph = await openImage(context, { transport: 'store', reference });
    opened.push({ reference, graph });
  }
  const registries = await context.registries();
  const images: PublishedImage[] = [];
  for (const { reference, graph } of opened) {
    const names = [...new Set([reference.tag ?? 'latest', ...(flags.tag ?? [])])];
    const image: PublishedImage = {
      graph: await derive(context, graph, flags),
      destinations: [{ target: registries.repository(reference), names, host: reference.host }],
    };
    images.push(
      ...(flags.withReferrers === true ? await withReferrers(context, graph, image) : [image]),
    );
  }
  return images;
}

function defaulted(
  { output }: Context,
  refs: readonly string[],
  references: readonly Reference[],
  flags: PushFlags,
): readonly Reference[] {
  const isDefault = refs.some(
    (text) => parseReference(text, { defaultTag: false }).tag === undefined,
  );
  // Who asked for JSON lines gets nothing else.
  const isTold = flags.quiet !== true && flags.progress !== 'json' && flags.progress !== 'none';
  if (isDefault && isTold) output.err('Using default tag: latest\n');
  return references;
}

async function allTags(context: Context, refs: readonly string[]): Promise<readonly Reference[]> {
  const store = await context.store();
  const local: Reference[] = [];
  for await (const name of store.list({ signal: context.signal })) local.push(parseReference(name));
  return refs.flatMap((text) => {
    const plain = parseReference(text, { defaultTag: false });
    if (plain.tag !== undefined) {
      throw new SlipwayError('USAGE', "tag can't be used with --all-tags/-a");
    }
    const repository = formatRepository(parseRepository(text));
    const found = local.filter((reference) => formatRepository(reference) === repository);
    if (found.length === 0) {
      throw new SlipwayError(
        'NOT_FOUND',
        `An image does not exist locally with the tag: ${familiarReference(plain)}`,
        { hint: 'slipway images shows those there are' },
      );
    }
    return found.sort((a, b) => (formatReference(a) < formatReference(b) ? -1 : 1));
  });
}

export function hostsOf(references: readonly Reference[]): readonly string[] {
  return [...new Set(references.map(({ host }) => host))];
}

function tags(text: string, before: readonly string[] = []): readonly string[] {
  if (!isTag(text)) throw new InvalidArgumentError('not a tag');
  return [...before, text];
}
