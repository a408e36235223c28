import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { chooseEngine } from '../build/choose-engine.ts';
import type { BuildEngine, BuildRequest, EngineName } from '../build/engine.ts';
import { listed } from '../build/engines/buildkit-words.ts';
import { withTemporaryFolder } from '../build/engines/temporary.ts';
import { copyGraph } from '../content/copy.ts';
import { type Graph, graphOf } from '../content/graph.ts';
import type { CredentialLookup } from '../credentials/credential.ts';
import { isSlipwayError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import {
  DOCKER_HUB,
  familiarReference,
  formatReference,
  type Reference,
} from '../oci/reference.ts';
import { bringImage } from '../run/bring.ts';
import { referenceOf } from './check.ts';
import type { Service } from './definition.ts';
import { bringSteps } from './podman-steps.ts';
import type { Tools } from './tools.ts';

const PREFIX = 'codeship-cache-';

/** The tag under which a branch's image is kept for later builds, or undefined without a branch. */
export function cacheTag(branch: string): string | undefined {
  const clean = branch.replace(/[^A-Za-z0-9_.-]/g, '').slice(0, 128 - PREFIX.length);
  return clean === '' ? undefined : `${PREFIX}${clean}`;
}

/** Where earlier builds of a service may be: of its branch, then of the branch that is its default. */
function cacheReferences(
  { build, cached, defaultCacheBranch }: Service,
  branch: string,
): readonly Reference[] {
  if (!cached || build?.image === undefined) return [];
  const { host, path } = referenceOf(build.image);
  // A short name is nobody's repository.
  if (host === DOCKER_HUB && path.startsWith('library/')) return [];
  const tags = new Set([cacheTag(branch), cacheTag(defaultCacheBranch)]);
  return [...tags].flatMap((tag) => (tag === undefined ? [] : [{ host, path, tag }]));
}

export interface CacheOptions {
  readonly tools: Tools;
  readonly engines: readonly BuildEngine[];
  readonly branch: string;
  readonly own: CredentialLookup | undefined;
}

/**
 * Builds with the images of earlier builds as cache, brought by ourselves: with our logins, and only
 * what isn't here. Docker's classic builder knows what is in the engine; BuildKit is shown the store,
 * and leaves in the image what makes it a cache. Podman gets the steps, which stand beside the image.
 * What is missing or can't be had is no failure.
 * Native builds need none: they make the same layers of the same files.
 */
export async function withCache<T>(
  request: BuildRequest,
  service: Service,
  options: CacheOptions,
  build: (request: BuildRequest, builder?: EngineName) => Promise<T>,
): Promise<T> {
  const { tools, engines } = options;
  const { signal } = tools;
  const references = cacheReferences(service, options.branch);
  if (references.length === 0) return await build(request);
  const { engine: builder } = await chooseEngine(engines, 'auto', request, { signal });
  const earlier = request.noCache ? [] : references;
  if (builder.name === 'docker') {
    for (const reference of earlier) {
      const name = await brought(reference, service, options);
      if (name !== undefined) return await build({ ...request, cacheFrom: [name] });
    }
  }
  if (builder.name === 'podman') {
    for (const reference of earlier) {
      const isThere = await ifThere(reference, service, options, async (graph) => {
        await bringSteps(await tools.engine(), graph, { signal });
        return true;
      });
      if (isThere === true) break;
    }
  }
  const isBuildKit = builder.name === 'buildx' || builder.name === 'buildctl';
  if (!isBuildKit) return await build(request, builder.name);
  const store = await tools.store();
  return await withTemporaryFolder(await tools.home(), async (src) => {
    // Not the store itself: the reader makes a folder beside the blobs.
    await symlink(join(store.dir, 'blobs'), join(src, 'blobs'), 'junction');
    const cacheFrom: string[] = [];
    for (const reference of earlier) {
      const digest = await stored(reference, service, options);
      if (digest !== undefined) cacheFrom.push(listed({ type: 'local', src, digest }));
    }
    return await build({ ...request, cacheFrom, cacheTo: ['type=inline'] });
  });
}

/** Brings an earlier build to the running engine, and gives its name there. */
async function brought(
  reference: Reference,
  service: Service,
  options: CacheOptions,
): Promise<string | undefined> {
  const { emit, signal, engine } = options.tools;
  const name = familiarReference(reference);
  return await ifThere(reference, service, options, async (graph) => {
    await bringImage(await engine(), graph, { name, emit, signal });
    return name;
  });
}

/** Brings an earlier build to the store. */
async function stored(
  reference: Reference,
  service: Service,
  options: CacheOptions,
): Promise<Digest | undefined> {
  const { emit, signal, store } = options.tools;
  return await ifThere(reference, service, options, async (graph) => {
    const { root } = await copyGraph(graph, await store(), {
      emit,
      signal,
      nonDistributable: true,
    });
    return root.descriptor.digest;
  });
}

async function ifThere<T>(
  reference: Reference,
  { name }: Service,
  { tools, own }: CacheOptions,
  work: (graph: Graph) => Promise<T>,
): Promise<T | undefined> {
  const { signal, emit } = tools;
  try {
    const repository = (await tools.registries(own)).repository(reference);
    const root = await repository.resolve(reference.tag ?? '', { signal });
    return await work(graphOf(repository, root, formatReference(reference)));
  } catch (error) {
    signal.throwIfAborted();
    if (isSlipwayError(error, 'NOT_FOUND')) return undefined;
    const why = error instanceof Error ? error.message : String(error);
    emit({ type: 'warning', message: `${name} is built without ${reference.tag}: ${why}` });
    return undefined;
  }
}
