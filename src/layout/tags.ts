import type { Fetcher, Signalled } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, digestAlgorithm } from '../oci/digest.ts';
import { isManifestType } from '../oci/mediatype.ts';
import { blobSize, blobsDir, removeBlob } from './blobs.ts';
import { walkComplete } from './complete.ts';
import { syncFolder } from './files.ts';
import type { Entry, IndexFile } from './index-json.ts';
import { dropName, dropUnnamed, findName } from './names.ts';
import { restoreTrash } from './trash.ts';
import type { Workspace } from './workspace.ts';

export interface EnterOptions extends Signalled {
  /** take a manifest although some of what it names isn't there (distribution-spec, "sparse") */
  readonly sparse?: boolean;
  /**
   * Told the entries as they are, while nobody in any process can change them; what it throws is
   * thrown, and nothing changes.
   */
  readonly allow?: (entries: readonly Descriptor[]) => void;
}

/**
 * Changes the entries once all of `root` was seen to be there, under the lock that prune needs.
 *
 * @param change told the entries and the digests of the manifests below `root`
 * @throws SlipwayError `CONTENT_MISSING`, and what {@link walkComplete} finds wrong
 */
export async function enterManifest(
  workspace: Workspace,
  index: IndexFile,
  source: Fetcher,
  root: Descriptor,
  change: (entries: readonly Entry[], below: ReadonlySet<Digest>) => readonly Entry[],
  options: EnterOptions = {},
): Promise<void> {
  const { dir } = workspace;
  if (!isManifestType(root.mediaType)) {
    throw new SlipwayError('CONTENT_INVALID', `${root.digest} is no manifest: ${root.mediaType}`, {
      digest: root.digest,
    });
  }
  const { sparse = false, allow } = options;
  const verify = () => walkComplete(source, root, ({ digest }) => blobSize(dir, digest), options);
  await workspace.locked(async () => {
    const { manifests, blobs } = await verify()
      .catch(async (error: unknown) => {
        const mayBeBack =
          isSlipwayError(error, 'CONTENT_MISSING') && (await restoreTrash(workspace));
        if (!mayBeBack) throw error;
        return verify();
      })
      .catch((error: unknown) => {
        const isBelow = isSlipwayError(error, 'CONTENT_MISSING') && !isAbout(error, root);
        if (!sparse || !isBelow) throw error;
        // What is below isn't known; its entries stay, which costs nothing.
        return { manifests: [], blobs: [] };
      });
    const below = new Set(manifests.map((node) => node.descriptor.digest));
    const algorithms = new Set(
      [root.digest, ...below, ...blobs.map((blob) => blob.digest)].map(digestAlgorithm),
    );
    below.delete(root.digest);
    await index.change(async (entries) => {
      allow?.(entries.map(({ descriptor }) => descriptor));
      const changed = change(entries, below);
      if (changed === entries) return entries;
      // What the index names must be there after a power failure, too.
      for (const algorithm of algorithms) await syncFolder(blobsDir(dir, algorithm));
      return changed;
    });
  }, options);
}

/** True for an error about this very manifest, not about what is below it. */
export function isAbout(error: SlipwayError, { digest }: Descriptor): boolean {
  return error.facts.digest === digest;
}

/** Takes a name away and says what it named. See `Layout.untag`. */
export async function untagName(
  workspace: Workspace,
  index: IndexFile,
  name: string,
  { keep = false, ...options }: Signalled & { readonly keep?: boolean },
): Promise<Descriptor | undefined> {
  return workspace.locked(async () => {
    const found = findName(await index.entries(), name, workspace.dir);
    if (found === undefined) return undefined;
    await index.change(async (entries) => dropName(entries, name, keep));
    return found;
  }, options);
}

/** Takes a manifest's entry without a name away. See `Layout.forget`. */
export async function forgetUnnamed(
  workspace: Workspace,
  index: IndexFile,
  digest: Digest,
  options: Signalled,
): Promise<void> {
  const drop = async (entries: readonly Entry[]) => dropUnnamed(entries, digest);
  await workspace.locked(() => index.change(drop), options);
}

/** Removes a manifest's entries, then its bytes. See `Layout.removeManifest`. */
export async function removeManifest(
  workspace: Workspace,
  index: IndexFile,
  digest: Digest,
  options: Signalled,
): Promise<boolean> {
  return workspace.locked(async () => {
    let isListed = false;
    await index.change(async (entries) => {
      const others = entries.filter((entry) => entry.descriptor.digest !== digest);
      isListed = others.length < entries.length;
      return isListed ? others : entries;
    });
    const isRemoved = await removeBlob(workspace.dir, digest);
    return isListed || isRemoved;
  }, options);
}
