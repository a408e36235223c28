import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Bench } from '../bench.ts';
import { kept } from './kept.ts';
import { addImage, addRandomLayer, type Layer, startLayout, writeNames } from './layout.ts';
import { linkOrCopy } from './link.ts';

const MIB = 1024 * 1024;

/** Images on one base, each in a layout of its own, named `1`. */
export interface Family {
  readonly layouts: readonly string[];
  /** manifests of the images */
  readonly roots: readonly Layer[];
}

/** Prepares images that share two layers and have one small one of their own. */
export async function prepareFamily(
  { images, scale, say }: Bench,
  count: number,
  baseMiB: number,
): Promise<Family> {
  const folder = await kept(images, `family-${count}-${baseMiB}-${scale}`, async (draft) => {
    say('preparing a family of images');
    const base = path.join(draft, 'base');
    await startLayout(base);
    const sizeBytes = Math.round((baseMiB * scale * MIB) / 2);
    const shared: Layer[] = [];
    for (const seed of ['base 0', 'base 1']) {
      shared.push(await addRandomLayer(base, { seed, sizeBytes }));
    }
    const roots: Layer[] = [];
    for (let at = 0; at < count; at++) {
      const layout = path.join(draft, `${at}`);
      await startLayout(layout);
      await linkBlobs(base, layout);
      const own = await addRandomLayer(layout, { seed: `own ${at}`, sizeBytes: MIB / 4 });
      roots.push(await addImage(layout, [...shared, own]));
    }
    await writeFile(path.join(draft, 'roots.json'), JSON.stringify(roots));
  });
  return {
    layouts: Array.from({ length: count }, (_, at) => path.join(folder, `${at}`)),
    roots: JSON.parse(await readFile(path.join(folder, 'roots.json'), 'utf8')),
  };
}

/** Puts a family into a new local store under the given names, as if it had been built there. */
export async function storeFamily(
  store: string,
  { layouts, roots }: Family,
  names: readonly string[],
): Promise<void> {
  await mkdir(path.dirname(store), { recursive: true });
  await startLayout(store);
  for (const layout of layouts) await linkBlobs(layout, store);
  await writeNames(
    store,
    roots.map((root, at) => [root, names[at] ?? '']),
  );
}

async function linkBlobs(from: string, to: string): Promise<void> {
  for (const name of await readdir(path.join(from, 'blobs/sha256'))) {
    const [file = '', copy = ''] = [from, to].map((one) => path.join(one, 'blobs/sha256', name));
    await linkOrCopy(file, copy);
  }
}
