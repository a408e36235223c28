import { type Bytes, fromMemory } from '../bytes/stream.ts';
import { TAR_END, type TarEntryOut, tarHeader, tarPadding } from '../bytes/tar-write.ts';
import { SlipwayError } from '../errors.ts';

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

/** An entry of a layer; what has content reads it. */
export interface LayerEntry extends TarEntryOut {
  readonly open?: () => Bytes;
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
 *
 * @throws SlipwayError `USAGE` for a path that leaves the root or stands twice, `SIZE_MISMATCH` for
 * a file whose content isn't as long as it was said
 */
export async function* layerTar(files: readonly LayerFile[]): Bytes {
  const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
  checkPaths(sorted);
  const folders = new Set<string>();
  const entries: LayerEntry[] = [];
  for (const { path, ...file } of sorted) {
    const parts = path.split('/').slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) {
      const name = `${parts.slice(0, depth).join('/')}/`;
      if (!folders.has(name)) entries.push({ name, sizeBytes: 0, type: 'directory' });
      folders.add(name);
    }
    entries.push({ ...file, name: path });
  }
  yield* tarOf(entries);
}

/**
 * The tar of entries, in their order.
 *
 * @throws SlipwayError `SIZE_MISMATCH` for a file whose content isn't as long as it was said
 */
export async function* tarOf(entries: Iterable<LayerEntry>): Bytes {
  for (const entry of entries) {
    yield tarHeader(entry);
    if (entry.open === undefined) continue;
    yield* sized(entry.name, entry.sizeBytes, entry.open());
    yield tarPadding(entry.sizeBytes);
  }
  yield TAR_END;
}

function checkPaths(sorted: readonly LayerFile[]): void {
  const folders = new Set(
    sorted.flatMap(({ path }) => {
      const parts = path.split('/').slice(0, -1);
      return parts.map((_, depth) => parts.slice(0, depth + 1).join('/'));
    }),
  );
  for (const [at, { path }] of sorted.entries()) {
    const isSafe = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
    if (!isSafe || path.includes('\0')) {
      throw new SlipwayError('USAGE', `${JSON.stringify(path)} is no path inside an image`, {
        hint: 'paths are relative to the root of the image, without . and ..',
      });
    }
    if (path === sorted[at + 1]?.path || folders.has(path)) {
      throw new SlipwayError('USAGE', `${JSON.stringify(path)} stands twice in a layer`);
    }
  }
}

/** The content of a file, exactly as long as its header says: else all that follows is garbled. */
async function* sized(path: string, sizeBytes: number, content: Bytes): Bytes {
  let size = 0;
  for await (const chunk of content) {
    size += chunk.byteLength;
    if (size > sizeBytes) break;
    yield chunk;
  }
  if (size === sizeBytes) return;
  throw new SlipwayError('SIZE_MISMATCH', `${path} changed while it was packed`, {
    path,
    hint: `it should have ${sizeBytes} bytes; let nobody write to it meanwhile`,
  });
}
