import type { Signalled } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { type Digest, isDigest } from '../oci/digest.ts';
import { isJsonObject, type JsonObject } from '../oci/json.ts';
import { normalizePlatform, type Platform } from '../oci/platform.ts';
import { DOCKER_HUB, familiarReference, parseReference } from '../oci/reference.ts';
import type { Engine } from './client.ts';

/** An image of an engine. */
export interface EngineImage {
  /** the engine's own id: the config's digest, in newer Dockers the manifest's or index's */
  readonly id: Digest;
  /** references, as the engine shows them */
  readonly names: readonly string[];
  /** RFC 3339 */
  readonly created: string | undefined;
  readonly platform: Platform | undefined;
  /** `REPOSITORY@DIGEST`, for what came from a registry or went to one; newer engines: for all */
  readonly digests: readonly string[];
  /** as the engine counts it */
  readonly sizeBytes: number;
  /** of the layers, lowest first */
  readonly diffIds: readonly Digest[];
  /** the engine keeps it as it came: its id is the digest of the manifest or index */
  readonly isWhole: boolean;
}

/** How many images are asked about at once. */
const ASKED_AT_ONCE = 8;

/**
 * The images of an engine with their platforms, newest first; those that only stand below others
 * are left out.
 *
 * @throws SlipwayError `NETWORK`, and what the engine says
 */
export async function listEngineImages(
  engine: Engine,
  { signal }: Signalled = {},
): Promise<readonly EngineImage[]> {
  const what = 'list its images';
  const list = await engine.json({ method: 'GET', path: '/images/json', what, signal });
  const ids = new Set<Digest>();
  for (const entry of Array.isArray(list) ? list : []) {
    const id = isJsonObject(entry) ? idOf(entry) : undefined;
    if (id !== undefined) ids.add(id);
  }
  const images: EngineImage[] = [];
  const waiting = [...ids];
  const askOn = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      // The list doesn't tell the platform. One that was removed meanwhile is no error.
      const image = await findEngineImage(engine, id, { signal });
      if (image !== undefined) images.push(image);
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, askOn));
  return images.sort(newestThenId);
}

function newestThenId(one: EngineImage, other: EngineImage): number {
  const age = createdMs(other) - createdMs(one);
  return age !== 0 ? age : one.id < other.id ? -1 : 1;
}

function createdMs({ created }: EngineImage): number {
  return Date.parse(created ?? '') || 0;
}

/**
 * The image that an engine means by a name or id (whole or shortened), or undefined.
 *
 * @throws SlipwayError `REFERENCE_INVALID`, `NETWORK`, and what the engine says
 */
export async function findEngineImage(
  engine: Engine,
  name: string,
  { signal }: Signalled = {},
): Promise<EngineImage | undefined> {
  for (const spelling of spellings(engine, name)) {
    const path = `/images/${encodeURIComponent(spelling).replaceAll('%2F', '/')}/json`;
    const what = `look for the image ${name}`;
    try {
      const found = await engine.json({ method: 'GET', path, what, signal });
      return described(found, engine);
    } catch (error) {
      if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
    }
  }
  return undefined;
}

/** Podman gives what it builds under a short name the host `localhost`. */
function spellings(engine: Engine, name: string): readonly string[] {
  if (isDigest(name) || /^[0-9a-f]{64}$/.test(name)) return [name];
  const reference = parseReference(name);
  const isShort = reference.host === DOCKER_HUB && !name.startsWith(`${DOCKER_HUB}/`);
  if (engine.product !== 'podman' || !isShort) return [name];
  return [`localhost/${familiarReference(reference).replace(/^library\//, '')}`, name];
}

function described(json: unknown, engine: Engine): EngineImage {
  const id = isJsonObject(json) ? idOf(json) : undefined;
  if (!isJsonObject(json) || id === undefined) {
    throw new SlipwayError('SERVER_ERROR', `${engine.name} describes an image without its id`);
  }
  const text = (key: string): string => (typeof json[key] === 'string' ? json[key] : '');
  const [os, architecture, variant] = [text('Os'), text('Architecture'), text('Variant')];
  const isKnown = os !== '' && architecture !== '';
  const texts = (key: string): readonly string[] => {
    const list: readonly unknown[] = Array.isArray(json[key]) ? json[key] : [];
    return list.filter((each) => typeof each === 'string');
  };
  const rootfs = isJsonObject(json.RootFS) ? json.RootFS.Layers : undefined;
  const digests = texts('RepoDigests').filter((each) => /@sha256:[0-9a-f]{64}$/.test(each));
  return {
    id,
    names: texts('RepoTags').filter((each) => each !== '<none>:<none>'),
    digests,
    diffIds: Array.isArray(rootfs) ? rootfs.filter(isDigest) : [],
    isWhole: digests.some((each) => each.endsWith(`@${id}`)),
    created: text('Created') || undefined,
    platform: isKnown
      ? normalizePlatform({ os, architecture, ...(variant === '' ? {} : { variant }) })
      : undefined,
    sizeBytes: typeof json.Size === 'number' ? json.Size : 0,
  };
}

function idOf({ Id: id }: JsonObject): Digest | undefined {
  // Podman's own API leaves the algorithm out.
  const text = typeof id === 'string' && /^[0-9a-f]{64}$/.test(id) ? `sha256:${id}` : id;
  return isDigest(text) ? text : undefined;
}
