import { SlipwayError } from '../errors.ts';
import { ANNOTATION } from '../oci/annotations.ts';
import { hostPlatform, matchesPlatform, parsePlatform } from '../oci/platform.ts';
import { parseReference } from '../oci/reference.ts';
import { describeLocalImage, type LocalImage, type PlatformImage } from '../upkeep/local-images.ts';
import type { Context } from './context.ts';
import { openStored } from './open.ts';

/** The local image that a user named, with all names that it has. */
export interface NamedImage {
  readonly image: LocalImage;
  readonly names: readonly string[];
}

/**
 * Finds a local image by name or digest.
 *
 * @throws SlipwayError `NOT_FOUND`
 */
export async function findLocalImage(context: Context, text: string): Promise<NamedImage> {
  const graph = await openStored(context, parseReference(text));
  const store = await context.store();
  const { signal } = context;
  const root = await graph.root();
  const names = (await store.entries({ signal })).flatMap((entry) =>
    entry.digest === root.digest ? (entry.annotations?.[ANNOTATION.refName] ?? []) : [],
  );
  return { image: await describeLocalImage(store, root, names[0], { signal }), names };
}

/**
 * The image of one platform: the one asked for, else this machine's, else the first.
 *
 * @throws SlipwayError `PLATFORM_NOT_FOUND`
 */
export function choosePlatform(image: LocalImage, text: string | undefined): PlatformImage {
  const wanted = text === undefined ? hostPlatform() : parsePlatform(text);
  const found = image.platforms.find(
    ({ platform }) => platform !== undefined && matchesPlatform(wanted, platform),
  );
  const chosen = found ?? (text === undefined ? image.platforms[0] : undefined);
  if (chosen !== undefined) return chosen;
  throw new SlipwayError(
    'PLATFORM_NOT_FOUND',
    `${image.name ?? image.root.digest} has no such image here`,
    {
      hint: 'slipway images shows the platforms that are here',
    },
  );
}
