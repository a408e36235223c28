import { readManifest } from '../content/graph.ts';
import { entriesOf } from '../content/index-entries.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Emit } from '../events.ts';
import { ANNOTATION } from '../oci/annotations.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import {
  formatPlatform,
  isUnknownPlatform,
  matchesPlatform,
  type Platform,
} from '../oci/platform.ts';
import type { Registries } from '../registry/registries.ts';
import type { Repository } from '../registry/repository.ts';
import type { FullName } from './names.ts';

/** An image that a list is to have. */
export interface WantedEntry {
  readonly name: FullName;
  /** as the table of architectures says; undefined: as the image says itself */
  readonly platform: Platform | undefined;
}

/** An image that was found for a list. */
export interface FoundEntry extends WantedEntry {
  readonly repository: Repository;
  /** what its tag stands for now */
  readonly root: Descriptor;
}

interface Options {
  readonly signal: AbortSignal;
}

/**
 * Looks all images of a list up.
 *
 * @throws SlipwayError `NOT_FOUND` with all that aren't there
 */
export async function findEntries(
  registries: Registries,
  wanted: readonly WantedEntry[],
  options: Options,
): Promise<readonly FoundEntry[]> {
  const found: FoundEntry[] = [];
  const missing: string[] = [];
  for (const each of wanted) {
    const repository = registries.repository(each.name.reference);
    const root = await tryResolve(repository, each.name.reference.tag, options);
    if (root === undefined) missing.push(each.name.text);
    else found.push({ ...each, repository, root });
  }
  if (missing.length === 0) return found;
  throw new SlipwayError('NOT_FOUND', `no such image for the list: ${missing.join(', ')}`, {
    side: 'source',
    hint: 'push it first, leave its architecture out with SKIP_<ARCH>=1, or take those there are with ARCH=all',
  });
}

/** What a tag stands for; undefined if nothing has it. */
export async function tryResolve(
  repository: Repository,
  tag: string,
  options: Options,
): Promise<Descriptor | undefined> {
  return await repository.resolve(tag, options).catch((error: unknown) => {
    if (isSlipwayError(error, 'NOT_FOUND')) return undefined;
    throw error;
  });
}

/**
 * The entries of an image in a list: the image, and the attestations that belong to it.
 *
 * @throws SlipwayError `PLATFORM_NOT_FOUND`
 */
export async function listEntries(
  { repository, root, name, platform }: FoundEntry,
  { signal, emit }: Options & { readonly emit: Emit },
): Promise<readonly Descriptor[]> {
  const node = await readManifest(repository, root, { signal });
  const entries = await entriesOf(repository, node, { signal });
  const images = entries.filter((each) => !isAttestation(each));
  const [only] = images;
  if (platform === undefined) {
    // Nobody says which one is meant, so all are.
    if (node.document.kind === 'index' || only?.platform !== undefined) return entries;
    throw new SlipwayError(
      'PLATFORM_NOT_FOUND',
      `${name.text} doesn't say for which platform it is`,
      {
        side: 'source',
        hint: 'let its tag begin with an architecture',
      },
    );
  }
  const fitting = images.find(
    (each) => each.platform !== undefined && matchesPlatform(platform, each.platform),
  );
  const chosen = fitting ?? (images.length === 1 ? only : undefined);
  if (chosen === undefined) {
    throw new SlipwayError(
      'PLATFORM_NOT_FOUND',
      `${name.text} has no image for ${formatPlatform(platform)}`,
      { side: 'source' },
    );
  }
  if (fitting === undefined && chosen.platform !== undefined) {
    const said = formatPlatform(chosen.platform);
    emit({
      type: 'warning',
      message: `${name.text} says it is for ${said}; the list says ${formatPlatform(platform)}`,
    });
  }
  return [
    { ...chosen, platform },
    ...entries.filter(
      (each) => each.annotations?.[ANNOTATION.dockerReferenceDigest] === chosen.digest,
    ),
  ];
}

function isAttestation({ platform, annotations }: Descriptor): boolean {
  return (
    annotations?.[ANNOTATION.dockerReferenceDigest] !== undefined ||
    (platform !== undefined && isUnknownPlatform(platform))
  );
}
