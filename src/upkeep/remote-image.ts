import { readManifest } from '../content/graph.ts';
import type { Signalled, Source } from '../content/transport.ts';
import { readDocument } from '../content/verify.ts';
import { type ImageConfig, parseConfig } from '../oci/config.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { DOCUMENT_LIMITS } from '../oci/json.ts';
import type { ManifestDocument } from '../oci/manifest.ts';
import { isConfigType } from '../oci/mediatype.ts';

/** What stands at the top of an image, and its config if it is one image. */
export interface TopOfImage {
  readonly root: Descriptor;
  /** the bytes of the top manifest, checked */
  readonly bytes: Uint8Array;
  readonly document: ManifestDocument;
  readonly config: ImageConfig | undefined;
}

/** Reads the top of an image, wherever it is; no layer is read. */
export async function readTop(
  source: Source,
  reference: string,
  options: Signalled = {},
): Promise<TopOfImage> {
  const root = await source.resolve(reference, options);
  const { bytes, document } = await readManifest(source, root, options);
  const isImage = document.kind === 'manifest' && isConfigType(document.config.mediaType);
  const maxBytes = DOCUMENT_LIMITS.configBytes;
  const config = isImage
    ? parseConfig(await readDocument(source, document.config, { ...options, maxBytes }))
    : undefined;
  return { root, bytes, document, config };
}
