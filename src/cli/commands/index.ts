import { type Command, InvalidArgumentError, Option } from 'commander';
import { createThrottle } from '../../bytes/throttle.ts';
import type { Graph } from '../../content/graph.ts';
import { isSlipwayError, SlipwayError } from '../../errors.ts';
import { isDigest } from '../../oci/digest.ts';
import { MEDIA_TYPE } from '../../oci/mediatype.ts';
import { type Platform, parsePlatform } from '../../oci/platform.ts';
import { formatReference, parseReference } from '../../oci/reference.ts';
import { appendToIndex } from '../../upkeep/index-append.ts';
import {
  annotateIndex,
  annotation,
  type EntryChoice,
  removal,
  removeFromIndex,
} from '../../upkeep/index-edit.ts';
import {
  asEntry,
  emptyIndex,
  joinPieces,
  mergeEntries,
  readIndex,
} from '../../upkeep/index-entries.ts';
import { indexGraph } from '../../upkeep/index-graph.ts';
import { type BroughtPiece, bringPiece } from '../../upkeep/index-pieces.ts';
import { type IndexChange, readExistingIndex } from '../../upkeep/index-write.ts';
import { type Cli, newCommand } from '../command.ts';
import type { Context } from '../context.ts';
import { addImageFlags, addRegistryFlags, collectList } from '../flags.ts';
import { parseLocation } from '../location.ts';
import { derive, openImage } from '../open.ts';
import { safeLine } from '../output.ts';
import { addMoveFlags, addSendFlags, type PublishFlags } from '../publish-flags.ts';
import { type ChangedIndex, type IndexPlace, publishIndex } from '../publish-index.ts';

interface CreateFlags extends PublishFlags {
  readonly annotation?: Readonly<Record<string, string>>;
}

interface AnnotateFlags extends Omit<PublishFlags, 'platform'> {
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
  const made = newCommand('create', 'make an index of images')
    .argument('<DEST>', 'HOST/PATH[:TAG]')
    .argument('<SRC...>', SRC_HELP)
    .addOption(
      new Option('--annotation <K=V>', 'an annotation of the index; repeatable').argParser(notes),
    );
  return addRegistryFlags(addMoveFlags(addSendFlags(addImageFlags(made)))).action(
    async (dest: string, sources: string[], flags: CreateFlags) => {
      const { annotation: annotations } = flags;
      if (annotations !== undefined && flags.types === 'docker') {
        throw new SlipwayError('USAGE', '--annotation goes with --types oci');
      }
      const mediaType = flags.types === 'docker' ? MEDIA_TYPE.dockerIndex : MEDIA_TYPE.ociIndex;
      const empty = emptyIndex(mediaType);
      const json = annotations === undefined ? empty.json : { ...empty.json, annotations };
      await publishIndex(cli, dest, flags, {
        sources,
        graph: async ({ context }) =>
          indexGraph(
            dest,
            {
              pieces: await openPieces(context, sources, flags),
              content: (pieces) => ({ ...empty, json, entries: joinPieces(pieces).map(asEntry) }),
            },
            context,
          ),
      });
    },
  );
}

function append(cli: Cli): Command {
  const made = newCommand('append', 'add images to an index; any number of jobs may do so at once')
    .argument('<DEST>', 'HOST/PATH[:TAG]; made if it is not there')
    .argument('<SRC...>', SRC_HELP);
  return addRegistryFlags(addMoveFlags(addSendFlags(addImageFlags(made)))).action(
    async (dest: string, sources: string[], flags: PublishFlags) => {
      await publishIndex(cli, dest, flags, {
        sources,
        async graph({ context, target, tag }) {
          const pieces = await openPieces(context, sources, flags);
          const current = await readIndex(target, tag, context);
          return indexGraph(
            dest,
            {
              pieces,
              base: target,
              content(found) {
                const entries = mergeEntries(current.entries, joinPieces(found));
                const isThere = entries === current.entries;
                return isThere && current.root !== undefined
                  ? current.root
                  : { ...current, entries };
              },
            },
            context,
          );
        },
        async change({ context, target, tag }) {
          const pieces: BroughtPiece[] = [];
          for (const graph of await openPieces(context, sources, flags)) {
            pieces.push(await bringPiece(target, graph, sending(context, flags)));
          }
          const { root } = await appendToIndex(target, tag, joinPieces(pieces), context);
          const sum = (key: 'bytesSent' | 'bytesMounted' | 'bytesPresent') =>
            pieces.reduce((total, piece) => total + piece[key], 0);
          return {
            root,
            bytesSent: sum('bytesSent') + root.size,
            bytesMounted: sum('bytesMounted'),
            bytesPresent: sum('bytesPresent'),
          };
        },
      });
    },
  );
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
  return addRegistryFlags(addMoveFlags(made)).action(async (dest: string, flags: AnnotateFlags) => {
    const { annotation: annotations = {}, platform: _, ...publishing } = flags;
    const indexNotes = { entry: chosen(flags), annotations, platform: platformParts(flags) };
    const hasPlatform = Object.keys(indexNotes.platform).length > 0;
    if (hasPlatform && indexNotes.entry === undefined) {
      throw new SlipwayError('USAGE', 'which entry is meant was not said', {
        hint: 'say --platform P or --digest DIGEST',
      });
    }
    if (!hasPlatform && Object.keys(annotations).length === 0) {
      throw new SlipwayError('USAGE', 'nothing to write was given', {
        hint: 'say --annotation K=V, or --os, --arch, --variant, --os-version, --os-features',
      });
    }
    await publishIndex(cli, dest, publishing, {
      graph: (place) => changed(place, annotation(place.target, place.tag, indexNotes)),
      change: async ({ context, target, tag }) =>
        onlyIndex(await annotateIndex(target, tag, indexNotes, context)),
    });
  });
}

function remove(cli: Cli): Command {
  const made = newCommand('rm', 'take entries out of an index; their content stays')
    .argument('<DEST>', 'HOST/PATH[:TAG]')
    .argument('<ENTRY...>', 'a platform, as linux/arm64, or a digest');
  return addRegistryFlags(addMoveFlags(made)).action(
    async (dest: string, entries: string[], flags: PublishFlags) => {
      const choices = entries.map((text) => (isDigest(text) ? text : parsePlatform(text)));
      await publishIndex(cli, dest, flags, {
        graph: (place) => changed(place, removal(place.target, place.tag, choices)),
        change: async ({ context, target, tag }) =>
          onlyIndex(await removeFromIndex(target, tag, choices, context)),
      });
    },
  );
}

const SRC_HELP = 'an image or index: a local name, a HOST/PATH[:TAG|@DIGEST], or a location';

/** The index of a tag with a change made to it. */
async function changed({ context, target, tag }: IndexPlace, change: IndexChange): Promise<Graph> {
  const current = await readExistingIndex(target, tag, context);
  const content = change(current);
  const parts = { pieces: [], base: target, content: () => content };
  return indexGraph(`${target.name}:${tag}`, parts, context);
}

function onlyIndex(root: ChangedIndex['root']): ChangedIndex {
  return { root, bytesSent: root.size, bytesMounted: 0, bytesPresent: 0 };
}

function sending({ emit, signal }: Context, flags: PublishFlags) {
  const { jobs, limitRate } = flags;
  return {
    emit,
    signal,
    nonDistributable: flags.allowNondistributableArtifacts === true,
    ...(jobs === undefined ? {} : { jobs }),
    ...(limitRate === undefined ? {} : { throttle: createThrottle(limitRate) }),
  };
}

/** All pieces are found before the first one is sent. */
async function openPieces(
  context: Context,
  sources: readonly string[],
  flags: PublishFlags,
): Promise<readonly Graph[]> {
  const graphs: Graph[] = [];
  for (const source of sources) graphs.push(await openPiece(context, source));
  return await Promise.all(graphs.map((graph) => derive(context, graph, flags)));
}

/** A bare name is the local image if there is one, else the registry's. */
async function openPiece(context: Context, source: string): Promise<Graph> {
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
