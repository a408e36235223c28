import { DOCUMENT_LIMITS, isJsonObject, parseJsonObject } from '../../oci/json.ts';
import { isConfigType } from '../../oci/mediatype.ts';
import { derived, type Graph, readManifest } from '../graph.ts';
import type { Signalled } from '../transport.ts';
import { readDocument } from '../verify.ts';
import { type ChangeImage, createDocuments, pointTo, rewriteImages } from './rewrite.ts';

/**
 * Adds labels to the config of every image below the root; a label of the same name is replaced.
 * Digests change, unless every label is there already.
 */
export async function addLabels(
  graph: Graph,
  labels: Readonly<Record<string, string>>,
  options: Signalled = {},
): Promise<Graph> {
  const documents = createDocuments();
  const root = await rewriteImages(
    graph.source,
    await graph.root(),
    documents,
    async (manifest) => {
      if (!isConfigType(manifest.config.mediaType)) return undefined;
      const maxBytes = DOCUMENT_LIMITS.configBytes;
      const bytes = await readDocument(graph.source, manifest.config, { ...options, maxBytes });
      const json = parseJsonObject(bytes, 'the image config', maxBytes);
      const config = isJsonObject(json.config) ? json.config : {};
      const before = isJsonObject(config.Labels) ? config.Labels : {};
      if (Object.entries(labels).every(([name, value]) => before[name] === value)) return undefined;
      const changed = { ...json, config: { ...config, Labels: { ...before, ...labels } } };
      const described = documents.put(changed, manifest.config.mediaType);
      return { ...manifest.json, config: pointTo(manifest.json.config, described) };
    },
    options,
  );
  return derived(graph, documents.over(graph.source), root);
}

/**
 * Adds annotations to the root document; one of the same name is replaced. The digest changes,
 * unless every annotation is there already.
 */
export async function addAnnotations(
  graph: Graph,
  annotations: Readonly<Record<string, string>>,
  options: Signalled = {},
): Promise<Graph> {
  const { document } = await readManifest(graph.source, await graph.root(), options);
  const before = document.annotations ?? {};
  if (Object.entries(annotations).every(([name, value]) => before[name] === value)) return graph;
  const documents = createDocuments();
  const json = { ...document.json, annotations: { ...before, ...annotations } };
  const root = documents.put(json, document.mediaType);
  return derived(graph, documents.over(graph.source), root);
}

/**
 * Adds annotations to the manifest of every image below the root, and nothing to indexes; one of
 * the same name is replaced. Digests change, unless every annotation is there already.
 */
export async function annotateManifests(
  graph: Graph,
  annotations: Readonly<Record<string, string>>,
  options: Signalled = {},
): Promise<Graph> {
  const documents = createDocuments();
  const change: ChangeImage = async ({ annotations: before = {}, json }) =>
    Object.entries(annotations).every(([name, value]) => before[name] === value)
      ? undefined
      : { ...json, annotations: { ...before, ...annotations } };
  const root = await rewriteImages(graph.source, await graph.root(), documents, change, options);
  return derived(graph, documents.over(graph.source), root);
}
