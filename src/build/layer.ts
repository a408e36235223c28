import { type Bytes, fromMemory } from '../bytes/stream.ts';
import { TAR_END, tarHeader, tarPadding } from '../bytes/tar-write.ts';

/** A file of an image that is made of files. */
export interface LayerFile {
  /** relative to the root of the image, with `/`, without `..` */
  readonly path: string;
  /** bytes of the content */
  readonly sizeBytes: number;
  /** permission bits, 0644 if left out */
  readonly mode?: number;
  /** reads the content */
  readonly open: () => Bytes;
}

/** A file whose content is in memory. */
export function textFile(path: string, text: string, mode?: number): LayerFile {
  const bytes = Buffer.from(text);
  return {
    path,
    sizeBytes: bytes.byteLength,
    open: () => fromMemory(bytes),
    ...(mode === undefined ? {} : { mode }),
  };
}

/**
 * The tar of a layer: sorted, owned by root, dated 1970, each folder before what is in it. The same
 * files give the same bytes on every machine.
 */
export async function* layerTar(files: readonly LayerFile[]): Bytes {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  const folders = new Set<string>();
  for (const file of sorted) {
    const parts = file.path.split('/').slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) {
      const folder = `${parts.slice(0, depth).join('/')}/`;
      if (folders.has(folder)) continue;
      folders.add(folder);
      yield tarHeader({ name: folder, sizeBytes: 0, type: 'directory' });
    }
    const { path, sizeBytes, mode } = file;
    yield tarHeader({ name: path, sizeBytes, ...(mode === undefined ? {} : { mode }) });
    yield* file.open();
    yield tarPadding(sizeBytes);
  }
  yield TAR_END;
}
