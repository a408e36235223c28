import { type Command, InvalidArgumentError, Option } from 'commander';
import { isSlipwayError, SlipwayError } from '../../errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isDigest } from '../../oci/digest.ts';
import { MEDIA_TYPE } from '../../oci/mediatype.ts';
import { formatPlatform, type Platform, parsePlatform } from '../../oci/platform.ts';
import { formatReference, parseReference, type Reference } from '../../oci/reference.ts';
import type { Repository } from '../../registry/repository.ts';
import { appendToIndex } from '../../upkeep/index-append.ts';
import { annotateIndex, type EntryChoice, removeFromIndex } from '../../upkeep/index-edit.ts';
import {
  asEntry,
  emptyIndex,
  type IndexPiece,
  joinPieces,
  readIndex,
} from '../../upkeep/index-entries.ts';
import { bringPiece } from '../../upkeep/index-pieces.ts';
import { writeIndex } from '../../upkeep/index-write.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context, RegistryFlags } from '../context.ts';
import { addImageFlags, addRegistryFlags, collectList, type ImageFlags } from '../flags.ts';
import { parseLocation, parsePushReference } from '../location.ts';
import { derive, openImage } from '../open.ts';
import { safeJson, safeLine } from '../output.ts';
import { hostsOfLocation } from '../remote.ts';

interface IndexFlags extends RegistryFlags {
  readonly format?: 'text' | 'json';
}

interface MakeFlags extends IndexFlags, ImageFlags {
  readonly annotation?: Readonly<Record<string, string>>;
}

interface AnnotateFlags extends IndexFlags {
  readonly annotation?: Readonly<Record<string, string>>;
  readonly platform?: string;
  readonly digest?: string;
  readonly os?: string;
  readonly arch?: string;
  readonly variant?: string;
  readonly osVersion?: string;
  readonly osFeatures?: readonly string[];
}

/** `slipway index create|append|annotate|rm DEST …` */
export function command(cli: Cli): Command {
  const index = newCommand('index', 'make multi-platform indexes from pieces, and change them');
  for (const child of [create(cli), append(cli), annotate(cli), remove(cli)]) {
    index.addCommand(child);
  }
  return index;
}

function create(cli: Cli): Command {
  const made = addImageFlags(
    newCommand('create', 'make an index of images')
      .argument('<DEST>', 'HOST/PATH[:TAG]')
      .argument('<SRC...>', SRC_HELP)
      .addOption(
        new Option('--annotation <K=V>', 'an annotation of the index; repeatable').argParser(notes),
      ),
  );
  return finish(made).action(async (dest: string, sources: string[], flags: MakeFlags) => {
    const work = async (context: Context, target: Repository, tag: string) => {
      const mediaType = flags.types === 'docker' ? MEDIA_TYPE.dockerIndex : MEDIA_TYPE.ociIndex;
      if (flags.annotation !== undefined && flags.types === 'docker') {
        throw new SlipwayError('USAGE', '--annotation goes with --types oci');
      }
      const entries = joinPieces(await bringAll(context, target, sources, flags)).map(asEntry);
      const empty = emptyIndex(mediaType);
      const { annotation: annotations } = flags;
      const json = annotations === undefined ? empty.json : { ...empty.json, annotations };
      return await writeIndex(target, tag, { ...empty, json, entries }, context);
    };
    await onIndex(cli, dest, flags, work, sources);
  });
}

function append(cli: Cli): Command {
  const made = addImageFlags(
    newCommand('append', 'add images to an index; any number of jobs may do so at once')
      .argument('<DEST>', 'HOST/PATH[:TAG]; made if it is not there')
      .argument('<SRC...>', SRC_HELP),
  );
  return finish(made).action(async (dest: string, sources: string[], flags: MakeFlags) => {
    const work = async (context: Context, target: Repository, tag: string) => {
      const entries = joinPieces(await bringAll(context, target, sources, flags));
      return (await appendToIndex(target, tag, entries, context)).root;
    };
    await onIndex(cli, dest, flags, work, sources);
  });
}

function annotate(cli: Cli): Command {
  const made = newCommand('annotate', 'annotate an index, or one entry of it')
    .argument('<DEST>', 'HOST/PATH[:TAG]')
    .option('--platform <P>', 'the entry for this platform')
    .option('--digest <DIGEST>', 'the entry with this digest')
    .addOption(new Option('--annotation <K=V>', 'an annotation; repeatable').argParser(notes))
    .option('--os <OS>', 'operating system of the entry')
    .option('--arch <ARCH>', 'architecture of the entry')
    .option('--variant <VARIANT>', 'variant of the architecture')
    .option('--os-version <VERSION>', 'version of the operating system')
    .addOption(
      new Option('--os-features <LIST>', 'features that the entry needs').argParser(collectList),
    );
  return finish(made).action(async (dest: string, flags: AnnotateFlags) => {
    const entry = chosen(flags);
    const { annotation: annotations = {} } = flags;
    const platform = platformParts(flags);
    const hasPlatform = Object.keys(platform).length > 0;
    if (hasPlatform && entry === undefined) {
      throw new SlipwayError('USAGE', 'which entry is meant was not said', {
        hint: 'say --platform P or --digest DIGEST',
      });
    }
    if (!hasPlatform && Object.keys(annotations).length === 0) {
      throw new SlipwayError('USAGE', 'nothing to write was given', {
        hint: 'say --annotation K=V, or --os, --arch, --variant, --os-version, --os-features',
      });
    }
    await onIndex(
      cli,
      dest,
      flags,
      async (context, target, tag) =>
        await annotateIndex(target, tag, { entry, annotations, platform }, context),
    );
  });
}

function remove(cli: Cli): Command {
  const made = newCommand('rm', 'take entries out of an index; their content stays')
    .argument('<DEST>', 'HOST/PATH[:TAG]')
    .argument('<ENTRY...>', 'a platform, as linux/arm64, or a digest');
  return finish(made).action(async (dest: string, entries: string[], flags: IndexFlags) => {
    const choices = entries.map((text) => (isDigest(text) ? text : parsePlatform(text)));
    await onIndex(
      cli,
      dest,
      flags,
      async (context, target, tag) => await removeFromIndex(target, tag, choices, context),
    );
  });
}

const SRC_HELP = 'an image or index: a local name, a HOST/PATH[:TAG|@DIGEST], or a location';

function finish(made: Command): Command {
  made.addOption(new Option('--format <FORMAT>', 'of the result').choices(['text', 'json']));
  return addRegistryFlags(made);
}

/** Does work on the index of a tag, and tells what stands there then. */
async function onIndex(
  cli: Cli,
  dest: string,
  flags: IndexFlags,
  work: (context: Context, target: Repository, tag: string) => Promise<Descriptor>,
  sources: readonly string[] = [],
): Promise<void> {
  const reference: Reference = parsePushReference(dest);
  const { tag = 'latest' } = reference;
  const others = sources.flatMap((source) => hostsOfLocation(parseLocation(source)));
  await run(cli, flags, [...new Set([reference.host, ...others])], async (context) => {
    const target = (await context.registries()).repository(reference);
    const root = await work(context, target, tag);
    if (flags.format !== 'json') {
      context.output.out(`${target.name}@${root.digest}\n`);
      return;
    }
    const { entries } = await readIndex(target, root.digest, context);
    const manifests = entries.map(({ descriptor: { platform, digest, mediaType, size } }) => ({
      ...(platform === undefined ? {} : { platform: formatPlatform(platform) }),
      digest,
      mediaType,
      size,
    }));
    const { digest, mediaType, size } = root;
    const result = { ref: target.name, tag, digest, mediaType, size, manifests };
    context.output.out(`${safeJson(result, 2)}\n`);
  });
}

/** All pieces are found before the first one is sent. */
async function bringAll(
  context: Context,
  target: Repository,
  sources: readonly string[],
  flags: ImageFlags,
): Promise<readonly IndexPiece[]> {
  const graphs = [];
  for (const source of sources) graphs.push(await openPiece(context, source));
  const pieces: IndexPiece[] = [];
  for (const graph of graphs) {
    pieces.push(await bringPiece(target, await derive(context, graph, flags), context));
  }
  return pieces;
}

/** A bare name is the local image if there is one, else the registry's. */
async function openPiece(context: Context, source: string) {
  const location = parseLocation(source);
  try {
    return await openImage(context, location);
  } catch (error) {
    if (location.transport !== 'store' || !isSlipwayError(error, 'NOT_FOUND')) throw error;
  }
  const reference = parseReference(source);
  try {
    return await openImage(context, { transport: 'docker', reference });
  } catch (error) {
    if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
    const name = formatReference(reference);
    throw new SlipwayError('NOT_FOUND', `there is no ${name}, here or at the registry`, {
      ...error.facts,
    });
  }
}

function chosen({ platform, digest }: AnnotateFlags): EntryChoice | undefined {
  if (platform !== undefined && digest !== undefined) {
    throw new SlipwayError('USAGE', '--platform and --digest exclude each other');
  }
  if (platform !== undefined) return parsePlatform(platform);
  if (digest === undefined || isDigest(digest)) return digest;
  throw new SlipwayError('USAGE', `not a digest: ${safeLine(digest, 160)}`);
}

function platformParts(flags: AnnotateFlags): Partial<Platform> {
  const { os, arch, variant, osVersion, osFeatures } = flags;
  return {
    ...(os === undefined ? {} : { os }),
    ...(arch === undefined ? {} : { architecture: arch }),
    ...(variant === undefined ? {} : { variant }),
    ...(osVersion === undefined ? {} : { 'os.version': osVersion }),
    ...(osFeatures === undefined ? {} : { 'os.features': osFeatures }),
  };
}

function notes(text: string, before: Readonly<Record<string, string>> = {}) {
  const equals = text.indexOf('=');
  if (equals <= 0) throw new InvalidArgumentError('not KEY=VALUE');
  return { ...before, [text.slice(0, equals)]: text.slice(equals + 1) };
}
