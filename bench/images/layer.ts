import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { glob, open, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { mustRun } from '../../test/rig/programs.ts';
import { seededBytes } from './seeded.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');

/**
 * What a file holds: machine code (of this Node), text (sources and documents of the packages that
 * the lock file names), or bytes that no compressor makes smaller.
 */
export type Kind = 'binary' | 'text' | 'random';

export interface Content {
  readonly kind: Kind;
  readonly sizeBytes: number;
  /** where in the endless stream of its kind it begins */
  readonly offsetBytes?: number;
}

/** What the bytes of text and binaries depend on. */
export async function sourcesKey(): Promise<string> {
  const hash = createHash('sha256').update(process.version);
  return hash
    .update(await readFile(path.join(ROOT, 'package-lock.json')))
    .digest('hex')
    .slice(0, 12);
}

/** Makes a layer's tar with one file for each content; the same contents make the same tar. */
export async function makeLayer(
  folder: string,
  name: string,
  contents: readonly Content[],
): Promise<void> {
  const files: string[] = [];
  for (const [at, content] of contents.entries()) {
    const file = `${name}-${at}-${content.kind}`;
    await writeContent(path.join(folder, file), content);
    files.push(file);
  }
  await makeTar(folder, name, files);
  for (const file of files) await rm(path.join(folder, file));
}

/** Puts files together into a tar that is the same whenever and by whomever it is made. */
export async function makeTar(
  folder: string,
  name: string,
  files: readonly string[],
): Promise<void> {
  await mustRun(
    'tar',
    [
      ...['--format=ustar', '--owner=0', '--group=0', '--numeric-owner', '--mode=0644'],
      ...['--mtime=@0', '-cf', name, '--', ...files],
    ],
    { cwd: folder },
  );
}

/** Fills a folder with files of text. */
export async function cutText(folder: string, count: number, sizeBytes: number): Promise<void> {
  const all = path.join(folder, 'all');
  await writeContent(all, { kind: 'text', sizeBytes: count * sizeBytes });
  await mustRun('split', ['-b', `${sizeBytes}`, '-a', '4', '-d', 'all', 'text'], { cwd: folder });
  await rm(all);
}

async function writeContent(
  name: string,
  { kind, sizeBytes, offsetBytes = 0 }: Content,
): Promise<void> {
  const file = await open(name, 'wx');
  try {
    if (kind === 'random') {
      for (const chunk of seededBytes(path.basename(name), sizeBytes)) await file.write(chunk);
      return;
    }
    let [skip, left] = [offsetBytes, sizeBytes];
    for await (const chunk of endless(kind)) {
      const part = chunk.subarray(skip, skip + left);
      skip -= Math.min(skip, chunk.byteLength);
      left -= part.byteLength;
      await file.write(part);
      if (left === 0) return;
    }
  } finally {
    await file.close();
  }
}

/** All of a kind, over and over: one file after the other, in the order of their names. */
async function* endless(kind: 'binary' | 'text'): AsyncGenerator<Buffer> {
  const files = kind === 'binary' ? [process.execPath] : await textFiles();
  while (true) {
    for (const file of files) yield* createReadStream(file, { highWaterMark: 1024 * 1024 });
  }
}

async function textFiles(): Promise<string[]> {
  const found = glob('**/*.{js,mjs,cjs,ts,map,json,md,h}', {
    cwd: path.join(ROOT, 'node_modules'),
    withFileTypes: true,
    exclude: ({ name }) => name === '.package-lock.json' || name === '.cache',
  });
  const all = await Array.fromAsync(found);
  // Some packages are called like files: `name.js` is a folder then.
  const files = all.filter((entry) => entry.isFile());
  return files.map((entry) => path.join(entry.parentPath, entry.name)).sort();
}
