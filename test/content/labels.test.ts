import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyGraph } from '../../src/content/copy.ts';
import { addAnnotations, addLabels } from '../../src/content/derivations/labels.ts';
import { type Graph, graphOf, readManifest, walk } from '../../src/content/graph.ts';
import { readDocument } from '../../src/content/verify.ts';
import { parseConfig } from '../../src/oci/config.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import type { ImageManifest } from '../../src/oci/manifest.ts';
import { putImage, putIndex } from './images.ts';
import { freshLayout } from './places.ts';

const LAYERS = [Buffer.from('one'), Buffer.from('two')];

async function manifestOf(graph: Graph, descriptor?: Descriptor): Promise<ImageManifest> {
  const root = descriptor ?? (await graph.root());
  return (await readManifest(graph.source, root)).document as ImageManifest;
}

const configOf = async (graph: Graph, descriptor?: Descriptor) =>
  parseConfig(await readDocument(graph.source, (await manifestOf(graph, descriptor)).config));

test('a label changes the config and nothing else; unknown fields survive', async (t) => {
  const store = await freshLayout(t);
  const root = await putImage(store, {
    layers: LAYERS,
    manifest: { 'org.example.m': { deep: [1, null] }, annotations: { kept: 'yes' } },
    config: { 'org.example.c': 'x', history: [{ created_by: 'step' }, { created_by: 'step' }] },
    runConfig: { Labels: { old: 'stays', replaced: 'before' }, 'org.example.r': true },
  });
  const before = graphOf(store, root, 'it');
  const after = await addLabels(before, { replaced: 'after', added: 'new' });
  const manifest = await manifestOf(after);
  assert.deepEqual(manifest.json['org.example.m'], { deep: [1, null] });
  assert.deepEqual(manifest.annotations, { kept: 'yes' });
  assert.deepEqual(manifest.layers, (await manifestOf(before)).layers);
  const config = await configOf(after);
  assert.deepEqual(config.labels, { old: 'stays', replaced: 'after', added: 'new' });
  const { config: run, ...rest } = (await configOf(before)).json;
  assert.deepEqual(config.json, {
    ...rest,
    config: { ...(run as object), Labels: { old: 'stays', replaced: 'after', added: 'new' } },
  });
});

test('labels that are there already change no byte', async (t) => {
  const store = await freshLayout(t);
  const root = await putImage(store, { layers: LAYERS, runConfig: { Labels: { a: '1' } } });
  const after = await addLabels(graphOf(store, root, 'it'), { a: '1' });
  assert.deepEqual(await after.root(), root);
});

test('every image of an index gets the label, and the result is a whole image', async (t) => {
  const store = await freshLayout(t);
  const images = [];
  for (const architecture of ['amd64', 'arm64']) {
    images.push(await putImage(store, { layers: LAYERS, platform: { os: 'linux', architecture } }));
  }
  const annotated = images.map((image) => ({ ...image, annotations: { entry: 'kept' } }));
  const root = await putIndex(store, annotated);
  const after = await addLabels(graphOf(store, root, 'it'), { version: '1' });
  const { document } = await readManifest(after.source, await after.root());
  assert.equal(document.kind, 'index');
  for (const [at, entry] of document.manifests.entries()) {
    assert.deepEqual(entry.annotations, { entry: 'kept' });
    assert.deepEqual(entry.platform, images[at]?.platform);
    assert.equal((await configOf(after, entry)).labels.version, '1');
  }
  const to = await freshLayout(t);
  const copied = await copyGraph(after, to);
  assert.equal((await walk(to, copied.root.descriptor)).manifests.length, 3);
});

test('a label called __proto__ is a label', async (t) => {
  const store = await freshLayout(t);
  const root = await putImage(store, { layers: LAYERS });
  const after = await addLabels(graphOf(store, root, 'it'), JSON.parse('{"__proto__":"x"}'));
  const { config } = (await configOf(after)).json as { config: { Labels: object } };
  assert.deepEqual(Object.entries(config.Labels), [['__proto__', 'x']]);
});

test('an annotation changes the top alone; one that is there changes nothing', async (t) => {
  const store = await freshLayout(t);
  const image = await putImage(store, { layers: LAYERS, manifest: { x: 1 } });
  const index = await putIndex(store, [image], { annotations: { old: 'stays' }, y: 2 });
  for (const root of [image, index]) {
    const graph = graphOf(store, root, 'it');
    const after = await addAnnotations(graph, { added: 'new' });
    const before = (await readManifest(store, root)).document;
    const { document } = await readManifest(after.source, await after.root());
    assert.deepEqual(document.json, {
      ...before.json,
      annotations: { ...before.annotations, added: 'new' },
    });
    assert.equal(await addAnnotations(after, { added: 'new' }), after);
  }
});
