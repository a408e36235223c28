import { createHash } from 'node:crypto';
import path from 'node:path';
import { type BuildResult, transform } from 'esbuild';

/** A file of the bundle, and what stands in it. */
export interface Chunk {
  readonly path: string;
  readonly text: string;
}

/**
 * Turns what was split as modules, which only a module can be, into CommonJS: its compiled code can
 * be kept after it ran (`chunks.ts`).
 *
 * @param packages what is imported when it is used, and is no part of the bundle
 */
export async function asCommonJs(
  { outputFiles = [] }: BuildResult,
  packages: readonly string[],
): Promise<readonly Chunk[]> {
  return await Promise.all(
    outputFiles.map(async (file) => {
      const lazy = packages.reduce(
        (text, name) => text.replaceAll(`import("${name}")`, `SLIPWAY_IMPORT("${name}")`),
        file.text.replace(
          /\bimport\(("\.\/[^"]+\.js")\)/g,
          'Promise.resolve().then(()=>require($1))',
        ),
      );
      const { code } = await transform(lazy, {
        format: 'cjs',
        platform: 'node',
        target: 'node24.15',
        minifySyntax: true,
        minifyWhitespace: true,
        legalComments: 'none',
        define: { 'import.meta.url': 'SLIPWAY_URL' },
      });
      const url = code.includes('SLIPWAY_URL') ? URL_OF_FILE : '';
      const text = url + code.replace(/\brequire\("(\.\/[^"]+)\.js"\)/g, 'require("$1.cjs")');
      return { path: path.format({ ...path.parse(file.path), base: '', ext: '.cjs' }), text };
    }),
  );
}

const URL_OF_FILE = 'const SLIPWAY_URL=require("node:url").pathToFileURL(__filename).href;';

/** A name for exactly these files. */
export function buildOf(chunks: readonly Chunk[]): string {
  const hash = createHash('sha256');
  for (const { path: file, text } of chunks.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    hash.update(`${path.basename(file)}\0${text}\0`);
  }
  return hash.digest('hex').slice(0, 16);
}
