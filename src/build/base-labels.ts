import { type Graph, readManifest } from '../content/graph.ts';
import type { Signalled } from '../content/transport.ts';
import { readDocument } from '../content/verify.ts';
import { ANNOTATION } from '../oci/annotations.ts';
import { type ImageConfig, parseConfig } from '../oci/config.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import { matchesPlatform, type Platform } from '../oci/platform.ts';
import { formatReference, type Reference } from '../oci/reference.ts';

/** How long it may take to look for the base image: it is only for a label. */
const TIMEOUT_MS = 20_000;

/**
 * Labels that name the image below a built one (image-spec, annotations.md). Its digest is told
 * only if its layers are in truth the lowest ones: engines may have used another image of that name.
 *
 * @param open finds the image that the reference names; what it throws means that it isn't known
 */
export async function baseLabels(
  built: Graph,
  base: Reference,
  open: (base: Reference, options: Signalled) => Promise<Graph>,
  { signal }: Signalled = {},
): Promise<Readonly<Record<string, string>>> {
  const name = { [ANNOTATION.baseName]: formatReference(base) };
  const deadline = AbortSignal.timeout(TIMEOUT_MS);
  const options = { signal: signal === undefined ? deadline : AbortSignal.any([signal, deadline]) };
  try {
    const found = await open(base, options);
    const above = await firstConfig(built, undefined, options);
    const below = above && (await firstConfig(found, above.platform, options));
    if (above === undefined || below === undefined) return name;
    const isBelow = below.diffIds.every((diffId, at) => diffId === above.diffIds[at]);
    if (!isBelow || below.diffIds.length === 0) return name;
    return { ...name, [ANNOTATION.baseDigest]: (await found.root()).digest };
  } catch {
    signal?.throwIfAborted();
    return name;
  }
}

/** The config of the image for a platform, or of the first one. */
async function firstConfig(
  graph: Graph,
  wanted: Platform | undefined,
  options: Signalled,
): Promise<ImageConfig | undefined> {
  let { document } = await readManifest(graph.source, await graph.root(), options);
  if (document.kind === 'index') {
    const entry = document.manifests.find(
      ({ platform }) =>
        wanted === undefined || (platform !== undefined && matchesPlatform(wanted, platform)),
    );
    if (entry === undefined) return undefined;
    ({ document } = await readManifest(graph.source, entry, options));
  }
  if (document.kind === 'index') return undefined;
  const maxBytes = DOCUMENT_LIMITS.configBytes;
  return parseConfig(await readDocument(graph.source, document.config, { ...options, maxBytes }));
}
