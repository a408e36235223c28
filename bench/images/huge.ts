import path from 'node:path';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import type { Bench } from '../bench.ts';
import { kept } from './kept.ts';
import { type Content, makeLayer, sourcesKey } from './layer.ts';
import { addImage, addLayerFile, type Layout, readLayout, startLayout } from './layout.ts';

const MIB = 1024 * 1024;
const PARTS = 16;

/** A layout with a single layer of 4 GiB, at scale 1, that isn't compressed. */
export async function prepareHuge({ images, scale, say }: Bench): Promise<Layout> {
  const partBytes = Math.round((4096 / PARTS) * scale) * MIB || 512;
  // Mostly what doesn't compress: the rest is enough to keep every buffer full.
  const contents: Content[] = Array.from({ length: PARTS }, (_, at) =>
    at % 8 === 0
      ? { kind: 'text', sizeBytes: partBytes }
      : { kind: 'random', sizeBytes: partBytes },
  );
  const folder = await kept(images, `huge-${scale}-${await sourcesKey()}`, async (draft) => {
    say('preparing a layer of 4 GiB');
    await startLayout(draft);
    await makeLayer(draft, 'layer.tar', contents);
    const file = path.join(draft, 'layer.tar');
    await addImage(draft, [await addLayerFile(draft, file, MEDIA_TYPE.ociLayer)]);
  });
  return readLayout(folder);
}
