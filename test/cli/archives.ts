import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { TAR_END, tarHeader, tarPadding } from '../../src/bytes/tar-write.ts';
import { digestHex, digestOf } from '../../src/oci/digest.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';

/** The tar of some files. */
export function tarOf(files: readonly (readonly [string, Uint8Array])[]): Buffer {
  const parts = files.flatMap(([name, bytes]) => [
    tarHeader({ name, sizeBytes: bytes.byteLength }),
    bytes,
    tarPadding(bytes.byteLength),
  ]);
  return Buffer.concat([...parts, TAR_END]);
}

/** A layer with one file. */
export const layerOf = (name: string, bytes: Uint8Array | string): Buffer =>
  tarOf([[name, Buffer.from(bytes)]]);

export interface ArchiveParts {
  readonly names?: readonly string[];
  readonly layers: readonly Uint8Array[];
  /** what stands in the archive instead of the first layer */
  readonly firstLayer?: Uint8Array;
  /** place of a layer that is left out */
  readonly leftOut?: number;
  /** changes of the image config */
  readonly config?: object;
}

/** What `docker save` of a classic engine writes: layers that aren't compressed. */
export function dockerArchive(...images: readonly ArchiveParts[]): Buffer {
  const files = new Map<string, Uint8Array>();
  const list = images.map(({ names = ['app:1'], layers, firstLayer, leftOut, config }) => {
    const json = {
      architecture: 'amd64',
      os: 'linux',
      created: '2024-01-01T00:00:00Z',
      config: { Cmd: ['/app'] },
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) },
      history: layers.map((_, at) => ({
        created: '2024-01-01T00:00:00Z',
        created_by: `/bin/sh -c #(nop) ADD step ${at} in /`,
      })),
      ...config,
    };
    const bytes = Buffer.from(JSON.stringify(json));
    const configName = `${digestHex(digestOf(bytes))}.json`;
    files.set(configName, bytes);
    const paths = layers.map((layer, at) => {
      const name = `${digestHex(digestOf(layer))}/layer.tar`;
      if (at !== leftOut) files.set(name, at === 0 && firstLayer ? firstLayer : layer);
      return name;
    });
    return { Config: configName, RepoTags: names, Layers: paths };
  });
  return tarOf([...files, ['manifest.json', Buffer.from(JSON.stringify(list))]]);
}

/** Writes a file below a temporary folder and gives its path. */
export async function fileOf(owner: Owner, name: string, bytes: Uint8Array): Promise<string> {
  const file = path.join(await tempDir(owner), name);
  await writeFile(file, bytes);
  return file;
}
