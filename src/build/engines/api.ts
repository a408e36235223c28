import { type Bytes, readHandleBytes } from '../../bytes/stream.ts';
import type { Signalled } from '../../content/transport.ts';
import type { Credential, CredentialLookup } from '../../credentials/credential.ts';
import { connectEngine, type Engine } from '../../engine/client.ts';
import { isSlipwayError, SlipwayError } from '../../errors.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import { baseImages, registryKey } from '../base-images.ts';
import type { BuildEngine, BuildOptions, BuildRequest, Suitability } from '../engine.ts';
import { readBuildAnswer } from './api-answer.ts';
import { contextTar, SENT_DOCKERFILE } from './context-tar.ts';
import { buildEachPlatform } from './each-platform.ts';
import { takeFromEngine } from './take.ts';

/**
 * A running Docker or Podman, through the build of its API: the classic builder, and buildah inside
 * of Podman. The image stays there too, without a name.
 */
export function apiEngine(
  product: 'docker' | 'podman',
  credentials: CredentialLookup,
): BuildEngine {
  return {
    name: product,
    probe: (request, options = {}) => probe(product, request, options),
    async build(request, options) {
      const engine = await connect(product, options);
      if (engine === undefined) throw notThere(product);
      try {
        const headers = await registryHeaders(request, credentials);
        return await buildEachPlatform(request, options, (platform) =>
          buildOne(engine, request, platform, headers, options),
        );
      } finally {
        await engine.close();
      }
    },
  };
}

/** The engine, if it is one of `product`'s. `DOCKER_HOST` may name a Podman. */
async function connect(
  product: 'docker' | 'podman',
  { signal }: Signalled,
): Promise<Engine | undefined> {
  const isNamed = Boolean(process.env.DOCKER_HOST);
  for (const only of product === 'podman' && isNamed
    ? (['docker', 'podman'] as const)
    : [product]) {
    const engine = await connectEngine({ only, signal }).catch((error: unknown) => {
      // Only what the user named must be right.
      if (isSlipwayError(error, 'NO_ENGINE') || only !== product) return undefined;
      throw error;
    });
    if (engine?.product === product) return engine;
    await engine?.close();
  }
  return undefined;
}

function notThere(product: string): SlipwayError {
  return new SlipwayError('NO_ENGINE', `${product} isn't there any more`);
}

async function probe(
  product: 'docker' | 'podman',
  request: BuildRequest,
  options: Signalled,
): Promise<Suitability> {
  const engine = await connect(product, options);
  if (engine === undefined) {
    return {
      can: false,
      isAbsent: true,
      reason: `no ${product} engine answers`,
      hint: `start ${product}, or say with DOCKER_HOST where it is`,
    };
  }
  await engine.close();
  const unable = inability(request, product);
  if (unable === undefined) return { can: true, version: engine.version };
  return { can: false, ...unable };
}

/** What the API has no words for. */
function inability(
  request: BuildRequest,
  product: string,
): { readonly reason: string; readonly hint: string } | undefined {
  const hint = 'build with buildx or buildah';
  if (request.secrets.length > 0) return { reason: `the API of ${product} takes no secrets`, hint };
  if (request.ssh.length > 0) return { reason: `the API of ${product} takes no ssh agent`, hint };
  if (request.cacheTo.length > 0) {
    return { reason: `the API of ${product} exports no cache`, hint: 'build with buildx' };
  }
  const cache = request.cacheFrom.find((text) => text.includes('='));
  if (cache === undefined) return undefined;
  return {
    reason: `the API of ${product} takes images as caches only, not ${JSON.stringify(cache)}`,
    hint: 'name an image that it has, or build with buildx',
  };
}

async function buildOne(
  engine: Engine,
  request: BuildRequest,
  platform: Platform | undefined,
  headers: Readonly<Record<string, string>>,
  options: BuildOptions,
): Promise<Descriptor> {
  const { signal } = options;
  const { context, target, network, isolation, timestamps, cacheFrom } = request;
  const isPodman = engine.product === 'podman';
  const answer = await engine
    .send({
      method: 'POST',
      path: '/build',
      what: 'build',
      headers,
      query: {
        // The classic builder: BuildKit needs a session that only its own clients speak.
        version: isPodman ? undefined : 1,
        dockerfile:
          context.kind === 'tar' || context.kind === 'git'
            ? request.dockerfileInContext
            : SENT_DOCKERFILE,
        remote: context.kind === 'git' ? context.url : undefined,
        buildargs: JSON.stringify(
          Object.fromEntries(request.args.map(({ name, value }) => [name, value])),
        ),
        cachefrom: cacheFrom.length === 0 ? undefined : JSON.stringify(cacheFrom),
        nocache: request.noCache ? 1 : undefined,
        pull: request.pull ? 1 : undefined,
        rm: 1,
        forcerm: 1,
        target,
        networkmode: network,
        platform: platform === undefined ? undefined : formatPlatform(platform),
        isolation: isPodman ? isolation : undefined,
        layers: isPodman ? 1 : undefined,
        timestamp: isPodman && typeof timestamps === 'number' ? timestamps : undefined,
      },
      ...(context.kind === 'git' ? {} : { body: contextBytes(request) }),
      signal,
    })
    .catch((error: unknown) => {
      throw refused(error);
    });
  const { product } = engine;
  const id = await readBuildAnswer(answer.body, { engine: product, emit: options.emit });
  return await takeFromEngine(engine, id, options);
}

/** An engine that won't even begin finds something wrong with what is to be built. */
function refused(error: unknown): unknown {
  if (!isSlipwayError(error, 'UNSUPPORTED', 'SERVER_ERROR', 'NOT_FOUND')) return error;
  const isSyntax = /dockerfile parse|unknown instruction/i.test(error.message);
  return new SlipwayError(isSyntax ? 'CONFIG_INVALID' : 'COMMAND_FAILED', error.message, {
    ...error.facts,
  });
}

function contextBytes(request: BuildRequest): Bytes {
  const { context } = request;
  if (context.kind !== 'tar') return contextTar(request);
  return readHandleBytes(context.handle, context.name, { length: context.sizeBytes });
}

/** What we know of the registries of the base images, and of no others. */
async function registryHeaders(
  request: BuildRequest,
  credentials: CredentialLookup,
): Promise<Readonly<Record<string, string>>> {
  const known: Record<string, object> = {};
  for (const image of baseImages(request)) {
    const credential = await credentials(image);
    if (credential !== undefined) known[registryKey(image.host)] = wordsOf(credential);
  }
  if (Object.keys(known).length === 0) return {};
  return { 'x-registry-config': Buffer.from(JSON.stringify(known)).toString('base64url') };
}

function wordsOf({ username, password, identityToken, registryToken }: Credential): object {
  if (registryToken !== undefined) return { registrytoken: registryToken };
  return identityToken === undefined
    ? { username, password }
    : { username, identitytoken: identityToken };
}
