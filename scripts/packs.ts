import path from 'node:path';
import type { Metafile } from 'esbuild';
import type { Chunk } from './common-js.ts';

/** Chunks that stand in one file, since whoever needs the first one needs them all. */
interface Pack {
  readonly name: string;
  readonly files: ReadonlySet<string>;
}

/**
 * Puts chunks together that are always loaded together: 29 small ones took V8 twice as long as one
 * of the same length. A part of a pack is required as `./PACK.cjs/PART.cjs`.
 *
 * @param entries what a pack is named after, and the start of the path of its first source
 */
export function inPacks(
  chunks: readonly Chunk[],
  { outputs }: Metafile,
  entries: Readonly<Record<string, string>>,
): readonly Chunk[] {
  const packs: Pack[] = [];
  for (const [name, entry] of Object.entries(entries)) {
    const first = Object.keys(outputs).find((file) => outputs[file]?.entryPoint?.startsWith(entry));
    if (first === undefined) throw new Error(`nothing is made of ${entry}`);
    const files = [...needed(first, outputs)].map(commonJsName);
    const others = files.filter((file) => !packs.some((pack) => pack.files.has(file)));
    packs.push({ name, files: new Set(others) });
  }
  const packOf = (file: string): Pack | undefined => packs.find(({ files }) => files.has(file));
  const linked = chunks.map((chunk) => ({
    ...chunk,
    text: chunk.text.replace(/\brequire\("\.\/([^"]+\.cjs)"\)/g, (whole, file: string) => {
      const pack = packOf(file);
      return pack === undefined ? whole : `require("./${pack.name}/${file}")`;
    }),
  }));
  return [
    ...linked.filter(({ path: file }) => packOf(path.basename(file)) === undefined),
    ...packs.map(({ name, files }) => {
      const parts = linked.filter((chunk) => files.has(path.basename(chunk.path)));
      const folder = path.dirname(parts[0]?.path ?? '');
      return { path: path.join(folder, name), text: parts.map(partOf).join('') };
    }),
  ];
}

/** A chunk and all that it imports at once. */
function needed(
  first: string,
  outputs: Metafile['outputs'],
  found = new Set<string>(),
): Set<string> {
  if (found.has(first)) return found;
  found.add(first);
  for (const { path: file, kind } of outputs[first]?.imports ?? []) {
    if (kind === 'import-statement' && outputs[file] !== undefined) needed(file, outputs, found);
  }
  return found;
}

function commonJsName(file: string): string {
  return `${path.parse(file).name}.cjs`;
}

function partOf({ path: file, text }: Chunk): string {
  return `exports["${path.basename(file)}"]=function(exports,require,module,__filename,__dirname,SLIPWAY_IMPORT){${text}\n};\n`;
}
