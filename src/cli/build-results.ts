import { readManifest } from '../content/graph.ts';
import type { Layout } from '../layout/layout.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { checkResultFiles, writeResult } from './publish-results.ts';

/** Files that a build writes about what it made. */
export interface BuildResultFlags {
  readonly iidfile?: string;
  readonly metadataFile?: string;
}

/** Writes the files that were asked for, with the keys that docker buildx uses. */
export async function writeBuildResults(
  { iidfile, metadataFile }: BuildResultFlags,
  store: Layout,
  root: Descriptor,
  names: readonly string[],
): Promise<void> {
  if (iidfile !== undefined) await writeResult(iidfile, root.digest);
  if (metadataFile === undefined) return;
  const { document } = await readManifest(store, root);
  const metadata = {
    ...(document.kind === 'manifest'
      ? { 'containerimage.config.digest': document.config.digest }
      : {}),
    'containerimage.descriptor': root,
    'containerimage.digest': root.digest,
    ...(names.length === 0 ? {} : { 'image.name': names.join(',') }),
  };
  await writeResult(metadataFile, `${JSON.stringify(metadata, null, 2)}\n`);
}

/** Makes sure before the build that its files can be written. */
export async function checkBuildResults({ iidfile, metadataFile }: BuildResultFlags) {
  for (const path of [iidfile, metadataFile]) {
    if (path !== undefined) await checkResultFiles({ digestfile: path });
  }
}
