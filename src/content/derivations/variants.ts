import { parseConfig } from '../../oci/config.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { DOCUMENT_LIMITS, isJsonObject, type JsonObject } from '../../oci/json.ts';
import { isConfigType, MEDIA_TYPE } from '../../oci/mediatype.ts';
import { type Graph, readManifest } from '../graph.ts';
import type { Signalled } from '../transport.ts';
import { readDocument } from '../verify.ts';
import { createDocuments } from './rewrite.ts';

/** How engines find the variant that they prefer (containers/image). */
const ZSTD_MARK = { 'io.github.containers.compression.zstd': 'true' };

/**
 * One index of an image's variants with gzip and with zstd: who knows zstd takes that, all others
 * the first entry of their platform. Where both are the same nothing is added.
 *
 * @param zstd derived from the same image; its source gives also what `gzip` consists of
 */
export function joinVariants(gzip: Graph, zstd: Graph, options: Signalled = {}): Graph {
  const documents = createDocuments();
  const join = async (): Promise<Descriptor> => {
    const [plain, fast] = [await gzip.root(), await zstd.root()];
    if (plain.digest === fast.digest) return plain;
    const first = await entriesOf(zstd, plain, options);
    const known = new Set(first.entries.map(({ digest }) => digest));
    const { entries } = await entriesOf(zstd, fast, options);
    const added = entries.filter(({ digest }) => !known.has(digest)).map(marked);
    const manifests = [...first.entries, ...added];
    return documents.put({ ...first.json, manifests }, MEDIA_TYPE.ociIndex);
  };
  let top: Promise<Descriptor> | undefined;
  return {
    ...zstd,
    root() {
      top ??= join();
      return top;
    },
    pending: [...gzip.pending, ...zstd.pending],
    source: documents.over(zstd.source),
  };
}

/** The entries of an index, or of the one that an image would be alone in. */
async function entriesOf(
  { source }: Graph,
  root: Descriptor,
  options: Signalled,
): Promise<{ readonly json: JsonObject; readonly entries: readonly JsonObject[] }> {
  const { document } = await readManifest(source, root, options);
  if (document.kind === 'index') {
    const entries = ((document.json.manifests ?? []) as readonly unknown[]).filter(isJsonObject);
    return { json: { ...document.json, mediaType: MEDIA_TYPE.ociIndex }, entries };
  }
  const json = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex };
  const { mediaType, digest, size } = root;
  if (!isConfigType(document.config.mediaType))
    return { json, entries: [{ mediaType, digest, size }] };
  const maxBytes = DOCUMENT_LIMITS.configBytes;
  const config = parseConfig(await readDocument(source, document.config, { ...options, maxBytes }));
  const { platform } = config;
  const entry = { mediaType, digest, size, ...(platform === undefined ? {} : { platform }) };
  return { json, entries: [entry] };
}

function marked(entry: JsonObject): JsonObject {
  const annotations = isJsonObject(entry.annotations) ? entry.annotations : {};
  return { ...entry, annotations: { ...annotations, ...ZSTD_MARK } };
}
