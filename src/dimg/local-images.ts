import type { Signalled } from '../content/transport.ts';
import { isSlipwayError } from '../errors.ts';
import type { Layout } from '../layout/layout.ts';
import { ANNOTATION } from '../oci/annotations.ts';
import type { Digest } from '../oci/digest.ts';
import { STAGE_NAME_START } from './session.ts';
import { labelsOf, readImage } from './stage-image.ts';

/** An image of the local store that a dimg or one of its stages is, by its labels. */
export interface LocalImage {
  /** undefined for what a build left that was interrupted */
  readonly name: string | undefined;
  readonly digest: Digest;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdMs: number | undefined;
  readonly diffIds: readonly Digest[];
}

/** The images of projects in a store, all names of each; what can't be read is nobody's here. */
export async function localImages(
  store: Layout,
  { signal }: Signalled,
): Promise<readonly LocalImage[]> {
  const images: LocalImage[] = [];
  for (const entry of await store.entries({ signal })) {
    signal?.throwIfAborted();
    try {
      const { config } = await readImage(store, entry, { signal });
      const labels = labelsOf(config);
      if (labels.werf === undefined) continue;
      const createdMs = Date.parse(config.created ?? '');
      images.push({
        ...{ name: entry.annotations?.[ANNOTATION.refName], digest: entry.digest, labels },
        createdMs: Number.isNaN(createdMs) ? undefined : createdMs,
        diffIds: config.diffIds,
      });
    } catch (error) {
      if (!isSlipwayError(error)) throw error;
    }
  }
  return images;
}

/** True for a dimg with a name that `dimg tag` gave it. */
export function isLocalDimg({ name, labels }: LocalImage): boolean {
  return name !== undefined && labels['werf-dimg'] === 'true';
}

/** True for a stage under its own name: one that somebody has called otherwise is theirs. */
export function isLocalStage({ name, labels }: LocalImage): boolean {
  const own = `${STAGE_NAME_START}${labels.werf}:`;
  return labels['werf-dimg'] === 'false' && name?.startsWith(own) === true;
}

/** Removes names and nameless images from a store, and then what nothing needs any more. */
export async function removeLocal(
  store: Layout,
  images: readonly LocalImage[],
  {
    tell,
    dryRun,
    signal,
  }: Signalled & { readonly tell: (name: string) => void; readonly dryRun: boolean },
): Promise<void> {
  for (const { name, digest } of images) {
    tell(name ?? digest);
    if (dryRun) continue;
    if (name === undefined) await store.forget(digest, { signal });
    else await store.untag(name, { signal });
  }
  if (!dryRun && images.length > 0) await store.prune({ signal });
}
