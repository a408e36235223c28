import path from 'node:path';
import { openLayout } from '../../src/layout/layout.ts';
import { bytesOf, putImage, putIndex } from '../content/images.ts';
import { testRegistry } from '../content/places.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { dockerArchive, fileOf, layerOf } from './archives.ts';
import { prepareCommandLine } from './in-process.ts';

export const LAYERS = [layerOf('base', bytesOf('base', 60_000)), layerOf('app', 'app')];

/** A command line, an embedded registry and an archive. */
export async function prepare(owner: Owner, names: readonly string[] = ['app:1']) {
  const commands = await prepareCommandLine(owner);
  const embedded = await testRegistry(owner);
  const archive = await fileOf(owner, 'app.tar', dockerArchive({ names, layers: LAYERS }));
  return { ...commands, ...embedded, host: embedded.registry.host, archive };
}

/** A layout with an index `multi` for two platforms. */
export async function multiLayout(owner: Owner) {
  const dir = path.join(await tempDir(owner), 'layout');
  const layout = await openLayout(dir, { create: true });
  const images = [];
  for (const architecture of ['amd64', 'arm64']) {
    const layers = [bytesOf('shared', 9_000), Buffer.from(architecture)];
    images.push(await putImage(layout, { layers, platform: { os: 'linux', architecture } }));
  }
  const index = await putIndex(layout, images);
  await layout.tag(index, 'multi', (offset) => layout.fetch(index, { offset }));
  await layout.close();
  return { dir, index, images };
}
