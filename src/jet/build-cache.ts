import { chooseEngine } from '../build/choose-engine.ts';
import type { BuildEngine, BuildRequest } from '../build/engine.ts';
import { graphOf } from '../content/graph.ts';
import type { CredentialLookup } from '../credentials/credential.ts';
import { isSlipwayError } from '../errors.ts';
import {
  DOCKER_HUB,
  familiarReference,
  formatReference,
  type Reference,
} from '../oci/reference.ts';
import { bringImage } from '../run/bring.ts';
import { referenceOf } from './check.ts';
import type { Service } from './definition.ts';
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
 * The request with the images of earlier builds as its cache, where Docker's classic builder is the
 * one that builds: it knows only what is in the engine, so they are brought there. What is missing or
 * can't be had is no failure. Other engines keep caches of their own.
 */
export async function withCache(
  request: BuildRequest,
  service: Service,
  { tools, engines, branch, own }: CacheOptions,
): Promise<BuildRequest> {
  const { signal, emit } = tools;
  const references = cacheReferences(service, branch);
  if (references.length === 0 || request.noCache) return request;
  const { engine: builder } = await chooseEngine(engines, 'auto', request, { signal });
  if (builder.name !== 'docker') return request;
  for (const reference of references) {
    try {
      const repository = (await tools.registries(own)).repository(reference);
      const root = await repository.resolve(reference.tag ?? '', { signal });
      const graph = graphOf(repository, root, formatReference(reference));
      const name = familiarReference(reference);
      await bringImage(await tools.engine(), graph, { name, emit, signal });
      return { ...request, cacheFrom: [name] };
    } catch (error) {
      signal.throwIfAborted();
      if (isSlipwayError(error, 'NOT_FOUND')) continue;
      const why = error instanceof Error ? error.message : String(error);
      const message = `${service.name} is built without the cache of earlier builds: ${why}`;
      emit({ type: 'warning', message });
    }
  }
  return request;
}
