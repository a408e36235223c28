import { stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { digestOf } from '../../src/oci/digest.ts';
import type { Bench } from '../bench.ts';
import { fileDigest } from './file-digest.ts';
import { kept } from './kept.ts';
import { type Content, makeLayer, makeTar, sourcesKey } from './layer.ts';

const MIB = 1024 * 1024;

/** An image as `docker save` writes it, named `bench:1`. */
export interface Archive {
  readonly file: string;
  /** its layers' tars, each in a file of its own too */
  readonly layers: readonly string[];
  readonly layerBytes: number;
  /** what share of the layers is of which kind, in words */
  readonly mixture: string;
}

const MIXTURE = 'a half machine code, a third text, the rest random bytes';

/** Five layers of about 540 MiB together, at scale 1. */
export async function prepareArchive({ images, scale, say }: Bench): Promise<Archive> {
  const mib = (count: number) => Math.max(512, Math.round((count * scale * MIB) / 512) * 512);
  const contents: readonly (readonly Content[])[] = [
    [{ kind: 'binary', sizeBytes: mib(210) }],
    [{ kind: 'text', sizeBytes: mib(124) }],
    [{ kind: 'random', sizeBytes: mib(88) }],
    [
      { kind: 'binary', sizeBytes: mib(60), offsetBytes: mib(210) },
      { kind: 'text', sizeBytes: mib(56), offsetBytes: mib(124) },
      { kind: 'random', sizeBytes: mib(1) },
    ],
    [{ kind: 'text', sizeBytes: mib(1), offsetBytes: mib(180) }],
  ];
  const key = `save-${scale}-${await sourcesKey()}`;
  const names = contents.map((_, at) => `layer${at}.tar`);
  const folder = await kept(images, key, async (draft) => {
    say('preparing an archive');
    const diffIds: string[] = [];
    for (const [at, layer] of contents.entries()) {
      const name = names[at] ?? '';
      await makeLayer(draft, name, layer);
      diffIds.push(await fileDigest(path.join(draft, name)));
    }
    await putTogether(draft, names, diffIds);
  });
  const layers = names.map((name) => path.join(folder, name));
  const sizes = await Promise.all(layers.map(async (layer) => (await stat(layer)).size));
  return {
    file: path.join(folder, 'image.tar'),
    layers,
    layerBytes: sizes.reduce((sum, size) => sum + size, 0),
    mixture: MIXTURE,
  };
}

/** Writes `image.tar` beside the layers. */
async function putTogether(
  folder: string,
  layers: readonly string[],
  diffIds: readonly string[],
): Promise<void> {
  const config = JSON.stringify({
    os: 'linux',
    architecture: 'amd64',
    created: '1970-01-01T00:00:00Z',
    config: { Cmd: ['/x'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: diffIds.map(() => ({ created: '1970-01-01T00:00:00Z', created_by: 'bench' })),
  });
  const configName = `${digestOf(Buffer.from(config)).slice('sha256:'.length)}.json`;
  const manifest = [{ Config: configName, RepoTags: ['bench:1'], Layers: layers }];
  await writeFile(path.join(folder, configName), config);
  await writeFile(path.join(folder, 'manifest.json'), JSON.stringify(manifest));
  await makeTar(folder, 'image.tar', [...layers, configName, 'manifest.json']);
}
