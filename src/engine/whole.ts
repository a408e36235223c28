import { readManifest } from '../content/graph.ts';
import type { Fetcher, Signalled } from '../content/transport.ts';
import { readDocument } from '../content/verify.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { walkComplete } from '../layout/complete.ts';
import { parseConfig } from '../oci/config.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import { parseManifest } from '../oci/manifest.ts';
import { isConfigType, isManifestType, MEDIA_TYPE } from '../oci/mediatype.ts';
import { matchesPlatform } from '../oci/platform.ts';
import type { Engine } from './client.ts';
import { type EngineContent, openContent } from './content.ts';
import type { EngineImage } from './images.ts';

/** All of an image, and what ends its use. */
export interface WholeImage {
  readonly source: Fetcher;
  readonly root: Descriptor;
  close(): Promise<void>;
}

/**
 * An image that an engine keeps as it came, read blob by blob where they are. Of an index with
 * holes, as an engine has it that pulled one of several platforms, it is the platform that the
 * engine describes. Undefined where the engine doesn't give its blobs, or not all of them: then its
 * export says what it has.
 */
export async function openWhole(
  engine: Engine,
  image: EngineImage,
  { signal }: Signalled,
): Promise<WholeImage | undefined> {
  let content: EngineContent | undefined;
  try {
    content = await openContent(engine, { signal });
    const root = await rootOf(content, image, signal);
    if (root !== undefined) {
      const { close } = content;
      return { source: content, root, close: async () => close() };
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof SlipwayError)) throw error;
  }
  content?.close();
  return undefined;
}

async function rootOf(
  content: EngineContent,
  image: EngineImage,
  signal: AbortSignal | undefined,
): Promise<Descriptor | undefined> {
  const size = await content.sizeOf(image.id, { signal });
  if (size === undefined) return undefined;
  const unread = { mediaType: MEDIA_TYPE.ociIndex, digest: image.id, size };
  const document = parseManifest(await readDocument(content, unread, { signal }));
  const root = { ...unread, mediaType: document.mediaType };
  if (await isComplete(content, root, signal)) return root;
  const children = document.kind === 'index' ? document.manifests : [];
  const found: Descriptor[] = [];
  for (const { annotations: _, ...child } of children) {
    if (await isDescribed(content, child, image, signal)) found.push(child);
  }
  // Which of several is meant, the export says.
  return found.length === 1 ? found[0] : undefined;
}

async function isComplete(
  content: EngineContent,
  root: Descriptor,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  try {
    await walkComplete(content, root, ({ digest }) => content.sizeOf(digest, { signal }), {
      signal,
    });
    return true;
  } catch (error) {
    if (isSlipwayError(error, 'CONTENT_MISSING')) return false;
    throw error;
  }
}

/** True for the manifest of the image that the engine describes, if the engine has all of it. */
async function isDescribed(
  content: EngineContent,
  child: Descriptor,
  { diffIds, platform }: EngineImage,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (!isManifestType(child.mediaType) || platform === undefined) return false;
  if ((await content.sizeOf(child.digest, { signal })) === undefined) return false;
  const { document } = await readManifest(content, child, { signal });
  if (document.kind === 'index' || !isConfigType(document.config.mediaType)) return false;
  if (!(await isComplete(content, child, signal))) return false;
  const maxBytes = DOCUMENT_LIMITS.configBytes;
  const config = parseConfig(await readDocument(content, document.config, { signal, maxBytes }));
  return (
    config.diffIds.join() === diffIds.join() &&
    config.platform !== undefined &&
    matchesPlatform(platform, config.platform)
  );
}
