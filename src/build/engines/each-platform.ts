import type { Descriptor } from '../../oci/descriptor.ts';
import type { Platform } from '../../oci/platform.ts';
import type { BuildOptions, BuildRequest } from '../engine.ts';
import { buildIndex } from '../image.ts';

/** Builds with an engine that makes one platform at a time; several are joined in an index. */
export async function buildEachPlatform(
  { platforms }: BuildRequest,
  options: BuildOptions,
  build: (platform: Platform | undefined) => Promise<Descriptor>,
): Promise<Descriptor> {
  if (platforms.length <= 1) return await build(platforms[0]);
  const made: Descriptor[] = [];
  for (const platform of platforms) made.push({ ...(await build(platform)), platform });
  return await buildIndex(options.store, made, options);
}
