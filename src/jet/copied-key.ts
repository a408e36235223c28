import { access } from 'node:fs/promises';
import { relative, sep } from 'node:path';
import { parseDockerfile } from '../build/dockerfile/dockerfile.ts';
import { parseIgnore } from '../build/dockerfile/ignore.ts';
import type { BuildInput } from '../build/read-input.ts';

/**
 * True if a Dockerfile copies a folder that holds the project's key: who has the image could then
 * decrypt all that the repository holds.
 */
export async function copiesKey(
  { context, dockerfile }: Pick<BuildInput, 'context' | 'dockerfile'>,
  keyPath: string,
): Promise<boolean> {
  if (context.kind !== 'folder' || dockerfile === undefined) return false;
  const path = relative(context.path, keyPath).split(sep).join('/');
  if (path === '' || path.startsWith('../')) return false;
  const isThere = await access(keyPath).then(
    () => true,
    () => false,
  );
  if (!isThere) return false;
  try {
    if (parseIgnore(dockerfile.ignore).ignores(path)) return false;
    return copiedPaths(dockerfile).some(
      (copied) => copied === '' || copied === path || path.startsWith(`${copied}/`),
    );
  } catch {
    // The build itself tells what is wrong with them.
    return false;
  }
}

/** What a Dockerfile takes from its context, without slashes at either end. */
function copiedPaths({ name, bytes }: { readonly name: string; readonly bytes: Uint8Array }) {
  const { stages } = parseDockerfile(name, bytes);
  return stages
    .flatMap(({ instructions }) => instructions)
    .flatMap((instruction) =>
      (instruction.keyword === 'COPY' || instruction.keyword === 'ADD') &&
      instruction.from === undefined
        ? instruction.sources
        : [],
    )
    .map((source) => source.replace(/^(?:\.?\/)+|(?:\/\.?)+$/g, '').replace(/^[.*]$/, ''));
}
