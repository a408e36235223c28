import type { Command } from 'commander';
import { finalBaseImage } from '../../build/base-images.ts';
import { baseLabels } from '../../build/base-labels.ts';
import { build } from '../../build/build.ts';
import type { BuildRequest } from '../../build/engine.ts';
import { folderDockerfile } from '../../build/folder-image.ts';
import { gitLabels } from '../../build/git-labels.ts';
import { readBuildInput } from '../../build/read-input.ts';
import { convertTypes } from '../../content/derivations/types.ts';
import { type Graph, graphOf } from '../../content/graph.ts';
import type { Signalled } from '../../content/transport.ts';
import { SlipwayError } from '../../errors.ts';
import type { Emit } from '../../events.ts';
import {
  familiarReference,
  formatReference,
  parseReference,
  type Reference,
} from '../../oci/reference.ts';
import { publish } from '../../publish/publish.ts';
import { buildDestinations, type WantedBuild } from '../build-destinations.ts';
import { writeFilesOutputs } from '../build-files.ts';
import {
  addBuildFlags,
  annotations,
  type BuildFlags,
  buildArgs,
  buildPlatforms,
  buildSecrets,
  labels,
  wantedTimestamps,
} from '../build-flags.ts';
import { type BuildOutputs, isOnStandardOutput, parseOutputs } from '../build-outputs.ts';
import { checkBuildResults, writeBuildResults } from '../build-results.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context } from '../context.ts';
import { buildEngines } from '../engines.ts';
import { addRegistryFlags, compressionSettings, type ImageFlags } from '../flags.ts';
import { refuseDigest } from '../location.ts';
import { derive } from '../open.ts';
import { addReleaseFlags, type PublishFlags } from '../publish-flags.ts';
import { tellResults, writeResult } from '../publish-results.ts';
import { publishOrPlan } from '../publishing.ts';
import { hostsOf } from './push.ts';

type Flags = Omit<PublishFlags, 'platform' | 'compression' | 'types'> & BuildFlags;

/** `slipway build [options] CONTEXT` */
export function command(cli: Cli): Command {
  const command = newCommand('build', 'build an image into the local store')
    .usage('[options] CONTEXT')
    .argument(
      '[CONTEXT]',
      'a folder, a git URL, or - for a tar file or a Dockerfile on standard input',
    );
  addRegistryFlags(addReleaseFlags(addBuildFlags(command)));
  return command
    .addHelpText('after', HELP)
    .action(async (where: string | undefined, flags: Flags) => {
      if (where === undefined) {
        throw new SlipwayError('USAGE', "missing required argument 'CONTEXT'", {
          hint: 'for the folder that you are in: slipway build .',
        });
      }
      const outputs = wantedOutputs(flags);
      const names = [...(flags.tag ?? []), ...outputs.names].map((text) => parseReference(text));
      names.forEach(refuseDigest);
      checkPushing(flags, outputs, names);
      const references = outputs.locations.flatMap((location) =>
        location.transport === 'docker' ? [location.reference] : [],
      );
      await run(cli, flags, hostsOf([...names, ...references]), (context) =>
        buildAndPublish(cli, context, where, { flags, outputs, names }),
      );
    });
}

function wantedOutputs(flags: Flags): BuildOutputs {
  const outputs = parseOutputs(flags.output);
  return { ...outputs, isLoaded: outputs.isLoaded || flags.load === true };
}

const HELP = `
The first engine that can do it builds: native (in this process, for what runs no commands), BuildKit
through docker buildx or buildctl (first where BUILDKIT_HOST is set), a running Docker or Podman,
buildah. Secrets are given as places, never as text.

Examples:
  slipway build -t localhost:5000/app:1 --push .
  slipway build --platform linux/amd64,linux/arm64 -t app .
  tar c . | slipway build -t app -
  slipway build --base debian:12 --entrypoint /app/server -t app ./out`;

const OF_PUSHING = ['ifAbsent', 'ifDigest', 'require', 'limitRate', 'verify'] as const;

function checkPushing(flags: Flags, outputs: BuildOutputs, names: readonly Reference[]): void {
  const isPushed = flags.push === true || outputs.isPushed;
  if (isPushed && names.length === 0) {
    throw new SlipwayError('USAGE', 'there is no name to push to', {
      hint: 'say where it goes with -t HOST/PATH:TAG',
    });
  }
  if (outputs.isLoaded && names.length === 0) {
    throw new SlipwayError('USAGE', 'there is no name to load it under', {
      hint: 'say what the engine is to call it with -t NAME:TAG',
    });
  }
  if (isOnStandardOutput(outputs) && process.stdout.isTTY === true) {
    throw new SlipwayError('USAGE', 'an archive is not written to a terminal', {
      hint: 'name a file with dest=FILE, or redirect standard output',
    });
  }
  const alone = OF_PUSHING.find((name) => flags[name] !== undefined);
  if (isPushed || outputs.locations.length > 0 || alone === undefined) return;
  const option = alone.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  throw new SlipwayError('USAGE', `--${option} goes with --push`);
}

async function buildAndPublish(
  cli: Cli,
  context: Context,
  where: string,
  wanted: WantedBuild<Flags>,
): Promise<void> {
  const { flags, outputs, names } = wanted;
  const { signal, emit, output } = context;
  await checkBuildResults(flags);
  const store = await context.store();
  const made = await buildGraph(context, where, flags);
  const compressed = await derive(context, made, compressionOf(flags));
  const built =
    flags.types === undefined
      ? compressed
      : await convertTypes(compressed, flags.types, { signal, compressedToo: true });
  const localNames = [...new Set(names.map(formatReference))];
  const kept = await publish(
    { images: [{ graph: built, destinations: [{ target: store, names: localNames }] }] },
    { signal, emit: onlyNews(emit), nonDistributable: true },
  );
  if (kept.error !== undefined) throw kept.error;
  const root = await built.root();
  await writeBuildResults(flags, store, root, localNames);
  await writeFilesOutputs(context, store, root, outputs.files);
  const isArchiveOut = isOnStandardOutput(outputs);
  const isElsewhere = outputs.isPushed || outputs.isLoaded || outputs.locations.length > 0;
  if (flags.push !== true && !isElsewhere) {
    if (flags.format === 'json') {
      return await tellResults(context, kept, { ...flags, isArchiveOut });
    }
    if (flags.digestfile !== undefined) await writeResult(flags.digestfile, `${root.digest}\n`);
    const shown = flags.quiet === true ? [] : names.map(familiarReference);
    const tell = isArchiveOut ? output.err : output.out;
    for (const name of shown) tell(`${name}@${root.digest}\n`);
    if (shown.length === 0) tell(`${root.digest}\n`);
    return;
  }
  await publishOrPlan(cli, context, { ...flags, platform: [], isArchiveOut }, () =>
    buildDestinations(context, graphOf(store, root, 'what was built'), wanted),
  );
}

/** What of the options says how an image is to be, without the platforms that were built. */
function compressionOf({ compression, compressionLevel }: Flags): ImageFlags {
  return {
    ...(compression === undefined ? {} : { compression }),
    ...(compressionLevel === undefined ? {} : { compressionLevel }),
  };
}

/** What the engine's result brought into the store was told when it came. */
function onlyNews(emit: Emit): Emit {
  return (event) => {
    if (event.type !== 'transfer.done' || event.status !== 'present') emit(event);
  };
}

/** Reads what is to be built, and lets an engine build it. */
async function buildGraph(context: Context, where: string, flags: Flags): Promise<Graph> {
  const { signal, emit } = context;
  const env = process.env;
  const spoolDir = await context.home();
  const input = await readBuildInput({
    context: where,
    file: flags.file,
    ...folderWords(flags),
    stdin: process.stdin,
    spoolDir,
    signal,
  });
  try {
    const timestamps = wantedTimestamps(flags, env);
    const noted = annotations(flags.annotation);
    const [compression] =
      flags.compression === undefined && flags.compressionLevel === undefined
        ? []
        : compressionSettings(compressionOf(flags));
    const { target, isolation, network } = flags;
    const request: BuildRequest = {
      ...input,
      args: buildArgs(flags.buildArg, env),
      platforms: buildPlatforms(flags.platform),
      noCache: flags.cache === false,
      pull: flags.pull === true,
      secrets: buildSecrets(flags.secret),
      ssh: flags.ssh ?? [],
      cacheFrom: flags.cacheFrom ?? [],
      cacheTo: flags.cacheTo ?? [],
      ...(target === undefined ? {} : { target }),
      ...(isolation === undefined ? {} : { isolation }),
      ...(network === undefined ? {} : { network }),
      ...(compression === undefined ? {} : { compression }),
      ...(timestamps === undefined ? {} : { timestamps }),
    };
    return await build(
      request,
      {
        engine: flags.engine,
        engines: await buildEngines(context, env),
        labels: async (built) => ({
          ...(flags.gitLabels === true ? await sourceLabels(context, built, request) : {}),
          ...labels(flags.label),
        }),
        annotations: noted.manifest,
        indexAnnotations: noted.index,
      },
      { store: await context.store(), spoolDir, emit, signal },
    );
  } finally {
    await input.close();
  }
}

/** What git, the CI system and the Dockerfile say about where an image comes from. */
async function sourceLabels(
  context: Context,
  built: Graph,
  request: BuildRequest,
): Promise<Readonly<Record<string, string>>> {
  const { signal } = context;
  const { timestamps } = request;
  const folder = request.context.kind === 'folder' ? request.context.path : undefined;
  const epoch = typeof timestamps === 'number' ? timestamps : undefined;
  const fromGit = await gitLabels(folder, { epoch, signal });
  const base = finalBaseImage(request);
  if (base === undefined) return fromGit;
  const open = async (reference: Reference, options: Signalled): Promise<Graph> => {
    const name = formatReference(reference);
    const store = await context.store();
    const root = await store.resolve(reference.digest ?? name, options).catch(() => undefined);
    if (root !== undefined) return graphOf(store, root, name);
    const repository = (await context.registries()).repository(reference);
    const wanted = reference.digest ?? reference.tag ?? '';
    return graphOf(repository, await repository.resolve(wanted, options), name);
  };
  return { ...fromGit, ...(await baseLabels(built, base, open, { signal })) };
}

/** The Dockerfile of a folder that is to be put on top of an image, if that is what is wanted. */
function folderWords({ base, entrypoint, into, file }: Flags) {
  if (base === undefined && entrypoint === undefined && into === undefined) return {};
  if (file !== undefined) {
    throw new SlipwayError('USAGE', '--base, --entrypoint and --into go without a Dockerfile', {
      hint: 'leave -f out, or write FROM, ENTRYPOINT and COPY into the Dockerfile',
    });
  }
  return { dockerfile: folderDockerfile({ base, entrypoint, into }) };
}
