import { access } from 'node:fs/promises';
import { basename, relative, resolve } from 'node:path';
import { build } from '../build/build.ts';
import type { BuildArg, BuildRequest, EngineName } from '../build/engine.ts';
import { readBuildInput } from '../build/read-input.ts';
import { type Graph, graphOf } from '../content/graph.ts';
import { isSlipwayError } from '../errors.ts';
import { formatReference, type Reference } from '../oci/reference.ts';
import { publish } from '../publish/publish.ts';
import { withCache } from './build-cache.ts';
import { referenceOf } from './check.ts';
import { copiesKey } from './copied-key.ts';
import type { StepCredentials } from './credentials.ts';
import type { Service, ServiceBuild } from './definition.ts';
import { findVariables, type VariableSources } from './environment.ts';
import { createOnce } from './once.ts';
import { stepsOf } from './podman-steps.ts';
import type { Tools } from './tools.ts';

/** The images of services. */
export interface ServiceImages {
  /** The image that a service builds; built once, and kept in the local store. */
  built(service: Service): Promise<Graph>;
  /** What later builds of a service may begin with, where that isn't its image alone. */
  steps(service: Service): Promise<Graph | undefined>;
  /** The image that a service's containers are made of: built, or from the store or a registry. */
  of(service: Service): Promise<Graph>;
}

export interface ImageOptions {
  readonly tools: Tools;
  readonly sources: VariableSources;
  readonly credentials: StepCredentials;
  /** ask the registry also where the image is in the store */
  readonly isPulled: boolean;
  /** absolute; a warning tells of builds that copy it */
  readonly keyPath: string;
  readonly noCache: boolean;
  /** whose earlier builds are a cache */
  readonly branch: string;
}

export function createServiceImages(options: ImageOptions): ServiceImages {
  const { tools, credentials } = options;
  const once = createOnce<Graph>();
  const onceBuilt = createOnce<BuiltImage>();
  const make = (service: Service): Promise<BuiltImage> => {
    const { build: wanted, name } = service;
    if (wanted === undefined) throw service.where.wrong('builds no image');
    return onceBuilt(wanted.image?.text() ?? `service ${name}`, () =>
      buildService(service, wanted, options),
    );
  };
  const built = async (service: Service) => (await make(service)).graph;
  const pulled = async (reference: Reference, service: Service): Promise<Graph> => {
    const { signal } = tools;
    const name = formatReference(reference);
    const store = await tools.store();
    if (!options.isPulled) {
      try {
        const root = await store.resolve(reference.digest ?? name, { signal });
        return graphOf(store, root, name);
      } catch (error) {
        if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
      }
    }
    const own = await credentials.lookup(service);
    const repository = (await tools.registries(own)).repository(reference);
    const root = await repository.resolve(reference.digest ?? reference.tag ?? 'latest', {
      signal,
    });
    return { ...graphOf(repository, root, name), from: repository.repository };
  };
  return {
    built,
    steps: async (service) => (await make(service)).steps,
    of(service) {
      const { image } = service;
      if (image === undefined) return built(service);
      const { tag = 'latest', ...rest } = referenceOf(image);
      const reference = rest.digest === undefined ? { ...rest, tag } : rest;
      return once(`image ${service.name}`, () => pulled(reference, service));
    },
  };
}

interface BuiltImage {
  readonly graph: Graph;
  readonly steps?: Graph;
}

async function buildService(
  service: Service,
  wanted: ServiceBuild,
  options: ImageOptions,
): Promise<BuiltImage> {
  const { tools, sources, noCache, isPulled } = options;
  const { signal, emit } = tools;
  const context = resolve(sources.dir, wanted.context);
  const file = await dockerfileOf(sources.dir, context, wanted.dockerfile);
  const args = await buildArgs(wanted, sources);
  const spoolDir = await tools.home();
  const store = await tools.store();
  const input = await readBuildInput({ context, file, stdin: process.stdin, spoolDir, signal });
  try {
    if (await copiesKey(input, options.keyPath)) {
      const key = basename(options.keyPath);
      const message = `the image of ${service.name} holds the key ${key}: add it to .dockerignore`;
      emit({ type: 'warning', message });
    }
    const own = await options.credentials.lookup(service);
    const engines = await tools.buildEngines(own);
    const request: BuildRequest = {
      ...input,
      args,
      platforms: [],
      noCache,
      pull: isPulled,
      secrets: [],
      ssh: [],
      cacheFrom: [],
      cacheTo: [],
    };
    const cache = { tools, engines, own, branch: options.branch };
    let builder: EngineName | undefined;
    const made = await withCache(request, service, cache, (wanted, name) => {
      builder = name;
      return build(wanted, { engine: 'auto', engines }, { store, spoolDir, emit, signal });
    });
    const graph = await tools.compressed(made);
    const names: string[] = [];
    if (wanted.image !== undefined) {
      const { tag = 'latest', ...repository } = referenceOf(wanted.image);
      names.push(formatReference({ ...repository, tag }));
    }
    const destinations = [{ target: store, names }];
    const kept = await publish({ images: [{ graph, destinations }] }, { signal, emit: () => {} });
    if (kept.error !== undefined) throw kept.error;
    const image = graphOf(store, await graph.root(), names[0] ?? service.name);
    const steps = builder === 'podman' ? await stepsFor(service, image, tools) : undefined;
    return { graph: image, ...(steps === undefined ? {} : { steps }) };
  } catch (error) {
    if (!isSlipwayError(error)) throw error;
    throw error.with({ hint: `it was built for the service ${service.name}` });
  } finally {
    await input.close();
  }
}

/** A cache that can't be made is no failure. */
async function stepsFor({ name }: Service, image: Graph, tools: Tools): Promise<Graph | undefined> {
  try {
    return await stepsOf(image, tools);
  } catch (error) {
    tools.signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    const message = `${name} is no cache for later builds: ${why}`;
    tools.emit({ type: 'warning', message });
    return undefined;
  }
}

/** From the context, as jet says, or from the project's folder, as it was once. */
async function dockerfileOf(dir: string, context: string, name: string): Promise<string> {
  const inContext = resolve(context, name);
  const inProject = resolve(dir, name);
  if (inContext === inProject) return inContext;
  const isThere = await access(inContext).then(
    () => true,
    () => false,
  );
  return isThere || !relative(dir, inProject) ? inContext : inProject;
}

async function buildArgs(
  { args }: ServiceBuild,
  sources: VariableSources,
): Promise<readonly BuildArg[]> {
  const found = await findVariables(args, sources);
  return [...found].map(([name, { value, isSecret }]) => ({
    name,
    value,
    isFromEnvironment: isSecret,
  }));
}
