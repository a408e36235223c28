import { randomBytes } from 'node:crypto';
import { MEDIA_TYPE } from '../../../src/oci/mediatype.ts';
import { sha } from '../rig.ts';
import {
  addConfig,
  addImage,
  addIndex,
  addIndexOfImages,
  addLayer,
  addManifest,
  EXAMPLE_1,
  EXAMPLE_2,
  type Graph,
  newGraph,
} from './graphs.ts';

const artifactOf = (layerType: string) => ({ artifact: { layerType } });
const annotated = () => ({
  annotations: {
    'org.opencontainers.conformance': 'hello conformance test',
    [`org.example.${randomBytes(8).toString('hex')}`]: randomBytes(8).toString('hex'),
  },
});
const unknownFields = () => ({
  'org.example.field': { deep: [1, 2.5, randomBytes(4).toString('hex')] },
});

/** The graphs that the suite pushes, by the names of its groups. */
export const SHAPES: Readonly<Record<string, (graph: Graph) => void>> = {
  image: (graph) => void addImage(graph, { tag: 'image' }),
  'image-uncompressed': (graph) =>
    void addImage(graph, { tag: 'image-uncompressed', isCompressed: false }),
  'large-manifest'(graph) {
    const names = Array.from({ length: 390 }, (_, at) => `large-annotation-${at}`);
    const annotations = Object.fromEntries(names.map((name) => [name, 'A'.repeat(10_000)]));
    addImage(graph, { tag: 'large-manifest', fields: { annotations } });
  },
  index: (graph) => void addIndexOfImages(graph, { tag: 'index' }),
  'nested-index'(graph) {
    const indexes = [addIndexOfImages(graph), addIndexOfImages(graph)];
    addIndex(graph, indexes, { tag: 'index-of-index' });
  },
  'empty-index': (graph) => void addIndex(graph, [], { tag: 'index' }),
  artifact(graph) {
    const fields = { artifactType: EXAMPLE_1 };
    addImage(graph, { tag: 'artifact', fields, ...artifactOf(EXAMPLE_1) });
  },
  'artifact-index'(graph) {
    const fields = { artifactType: EXAMPLE_1 };
    const image = { fields, ...artifactOf(EXAMPLE_1) };
    addIndexOfImages(graph, { tag: 'artifact-index', fields, image });
  },
  'artifact-without-layers'(graph) {
    const artifact = { layerType: MEDIA_TYPE.ociEmpty, bytes: Buffer.from('{}') };
    const fields = { artifactType: EXAMPLE_1 };
    addImage(graph, { tag: 'artifact-without-layers', fields, artifact });
  },
  'artifacts-with-subject'(graph) {
    const subject = addImage(graph, { tag: 'image' });
    addImage(graph, { fields: { subject } });
    for (const [tag, artifactType, layerType] of [
      ['tagged-artifact1', EXAMPLE_1, EXAMPLE_1],
      ['tagged-artifact2', EXAMPLE_2, 'application/octet-stream'],
    ] as const) {
      const fields = { artifactType, subject, ...annotated() };
      addImage(graph, { tag, fields, ...artifactOf(layerType) });
    }
  },
  'index-with-subject'(graph) {
    const subject = addIndexOfImages(graph, { tag: 'index' });
    const fields = () => ({ artifactType: EXAMPLE_1, subject, ...annotated() });
    const manifests = ['amd64', 'arm64'].map((architecture) => ({
      ...addImage(graph, { fields: fields(), ...artifactOf(EXAMPLE_1) }),
      platform: { os: 'linux', architecture },
    }));
    addIndex(graph, manifests, { tag: 'tagged-artifact', fields: fields() });
  },
  'missing-subject'(graph) {
    const subject = { mediaType: MEDIA_TYPE.ociManifest, digest: sha('missing'), size: 123 };
    const fields = { artifactType: EXAMPLE_1, subject, ...annotated() };
    addImage(graph, { tag: 'tagged-artifact', fields, ...artifactOf(EXAMPLE_1) });
  },
  'data-field': (graph) => void addImage(graph, { tag: 'data-field', withData: true }),
  'non-distributable-layers'(graph) {
    const foreign = [MEDIA_TYPE.ociLayerForeignGzip, MEDIA_TYPE.ociLayerForeign].map(
      (mediaType) => {
        const digest = sha(randomBytes(256));
        return { mediaType, digest, size: 12_345, urls: [`https://store.example.com/${digest}`] };
      },
    );
    const layers = [...foreign, addLayer(graph, {})];
    const config = addConfig(graph, {});
    const mediaType = MEDIA_TYPE.ociManifest;
    const json = { schemaVersion: 2, mediaType, config, layers };
    addManifest(graph, json, 'non-distributable-image');
  },
  'custom-fields'(graph) {
    const fields = unknownFields();
    const image = { fields, configFields: fields };
    addIndexOfImages(graph, { tag: 'custom-fields', fields, image });
  },
  'no-layers': (graph) => void addImage(graph, { tag: 'no-layers', layers: 0 }),
  sparse(graph) {
    addImage(graph, { tag: 'sparse-image' });
    const [layer = ''] = graph.blobs.keys();
    graph.blobs.delete(layer);
    const present = addImage(graph);
    const absent = { ...present, digest: sha(randomBytes(16)), size: 1024 };
    const manifests = [present, absent].map((manifest, at) => ({
      ...manifest,
      platform: { os: 'linux', architecture: at === 0 ? 'amd64' : 'arm64' },
    }));
    addIndex(graph, manifests, { tag: 'sparse-index' });
  },
  sha512: (graph) => void addIndexOfImages(graph),
  'tag-param-sha256': tagged('tag-param-sha256'),
  'tag-param-sha512': tagged('tag-param-sha512'),
};

/** Each manifest has a tag, and the top one two. */
function tagged(name: string): (graph: Graph) => void {
  return (graph) => {
    addIndexOfImages(graph, { tag: name });
    [...graph.manifests.keys()].forEach((digest, at) => {
      graph.tags.set(`${name}-${at}`, digest);
    });
  };
}

/** The graph of a group. */
export function graphOf(name: string): Graph {
  const graph = newGraph(name.includes('sha512') ? 'sha512' : 'sha256');
  SHAPES[name]?.(graph);
  return graph;
}
