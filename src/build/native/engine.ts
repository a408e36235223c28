import type { CompressionTable } from '../../content/derivations/compress.ts';
import { SlipwayError } from '../../errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { MEDIA_TYPE } from '../../oci/mediatype.ts';
import { hostPlatform } from '../../oci/platform.ts';
import type { Registries } from '../../registry/registries.ts';
import { type ParsedDockerfile, parseDockerfile } from '../dockerfile/dockerfile.ts';
import type { BuildEngine, BuildOptions, BuildRequest } from '../engine.ts';
import { buildIndex, putDocument } from '../image.ts';
import type { BuildRun, FindEngineImage, PlatformRun } from './build-run.ts';
import { clockOf } from './clock.ts';
import { dockerfileIn, openContext } from './context.ts';
import { globalsOf, unusedArgs } from './globals.ts';
import { configDocument } from './image-config.ts';
import { suitabilityOf } from './needs.ts';
import type { SourceTree } from './sources.ts';
import { buildStage } from './stage.ts';
import { targetStage } from './stage-names.ts';

/** What the native engine needs beside a store. */
export interface NativeOptions {
  /** where base images come from that aren't in the store; opened when one is needed */
  registries(): Promise<Registries>;
  /** looks for base images in a running engine, which aren't looked for there if left out */
  readonly engineImage?: FindEngineImage;
  /** what earlier runs have compressed; left out, every layer is compressed anew */
  readonly table?: CompressionTable;
}

/**
 * The engine that needs none: builds Dockerfiles that run nothing, in this process, for any
 * platform. Layers depend on content alone: sorted, dated by `timestamps`, else 1970.
 */
export function createNativeEngine(native: NativeOptions): BuildEngine {
  return {
    name: 'native',
    async probe(request) {
      if (request.context.kind === 'git') {
        return { can: false, reason: 'the context is a git repository' };
      }
      const dockerfile = await dockerfileOf(request);
      const platform = request.platforms[0] ?? hostPlatform();
      return suitabilityOf(dockerfile, request.target, argsOf(request), platform);
    },
    build: (request, options) => build(request, options, native),
  };
}

async function build(
  request: BuildRequest,
  options: BuildOptions,
  native: NativeOptions,
): Promise<Descriptor> {
  const { store, emit, signal } = options;
  const dockerfile = await dockerfileOf(request);
  const args = argsOf(request);
  const target = targetStage(dockerfile, request.target);
  const closers: (() => Promise<void>)[] = [];
  let context: Promise<SourceTree> | undefined;
  const run: BuildRun = {
    dockerfile,
    store,
    registries: () => native.registries(),
    engineImage: native.engineImage,
    table: request.noCache ? undefined : native.table,
    settings: request.compression ?? { format: 'gzip' },
    spoolDir: options.spoolDir,
    pull: request.pull,
    emit,
    signal,
    args,
    clock: clockOf(request.timestamps, args.get('SOURCE_DATE_EPOCH')),
    context() {
      context ??= openContext(request);
      return context;
    },
    onClose: (close) => closers.push(close),
    bases: new Map(),
  };
  const unused = unusedArgs(dockerfile, args);
  if (unused.length > 0) {
    emit({ type: 'warning', message: `no ARG takes the build argument ${unused.join(', ')}` });
  }
  try {
    const platforms = request.platforms.length === 0 ? [hostPlatform()] : request.platforms;
    const manifests: Descriptor[] = [];
    for (const platform of platforms) {
      const globals = globalsOf(dockerfile, args, platform);
      const made = await buildManifest({ ...run, platform, globals, stages: new Map() }, target);
      manifests.push(made);
    }
    const [only] = manifests;
    return manifests.length === 1 && only !== undefined
      ? only
      : await buildIndex(store, manifests, { signal });
  } finally {
    for (const close of closers) await close();
  }
}

async function buildManifest(run: PlatformRun, target: number): Promise<Descriptor> {
  const { store, signal } = run;
  const { image, layers } = await buildStage(run, target);
  const document = configDocument(image, run.clock.created);
  const config = await putDocument(store, document, MEDIA_TYPE.ociConfig, { signal });
  const mediaType = MEDIA_TYPE.ociManifest;
  const manifest = { schemaVersion: 2, mediaType, config, layers };
  const { platform } = image;
  return { ...(await putDocument(store, manifest, mediaType, { signal })), platform };
}

async function dockerfileOf(request: BuildRequest): Promise<ParsedDockerfile> {
  const { dockerfile, context, dockerfileInContext = 'Dockerfile' } = request;
  if (dockerfile !== undefined) return parseDockerfile(dockerfile.name, dockerfile.bytes);
  if (context.kind === 'tar') {
    return parseDockerfile(dockerfileInContext, await dockerfileIn(context, dockerfileInContext));
  }
  throw new SlipwayError('USAGE', 'there is no Dockerfile to build');
}

function argsOf({ args }: BuildRequest): ReadonlyMap<string, string> {
  return new Map(args.map(({ name, value }) => [name, value]));
}
