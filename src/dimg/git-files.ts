import { posix } from 'node:path';
import { compilePattern, type PathPattern } from '../build/dockerfile/path-pattern.ts';
import type { GitMapping } from './config.ts';
import type { Git, GitFile } from './git.ts';
import { checksum } from './signature.ts';

/** A file of a mapping. */
export interface MappedFile extends GitFile {
  /** where it is in the image, relative to its root */
  readonly target: string;
  /** where it is in the folder of the image that the mapping fills */
  readonly name: string;
}

/** What a commit changes of a mapping. */
export interface MappedChanges {
  /** new, or with another content or mode */
  readonly written: readonly MappedFile[];
  /** paths in the image that are gone */
  readonly removed: readonly string[];
}

/** The files of a commit that a mapping puts into an image. */
export async function mappedFiles(
  git: Git,
  mapping: GitMapping,
  commit: string,
): Promise<readonly MappedFile[]> {
  const isIncluded = pathMatcher(mapping.includePaths);
  const isExcluded = pathMatcher(mapping.excludePaths);
  const base = mapping.add.slice(1);
  return (await git.files(commit)).flatMap((file) => {
    const path = relativeTo(base, file.path);
    if (path === undefined) return [];
    if (mapping.includePaths.length > 0 && !isIncluded(path)) return [];
    if (isExcluded(path)) return [];
    const folder = path === '' ? posix.dirname(mapping.to) : mapping.to;
    const name = path === '' ? posix.basename(mapping.to) : path;
    return [{ ...file, name, target: posix.join(folder, name).slice(1) }];
  });
}

/** What is different between two commits. */
export async function mappedChanges(
  git: Git,
  mapping: GitMapping,
  before: string,
  after: string,
): Promise<MappedChanges> {
  if (before === after) return { written: [], removed: [] };
  const old = new Map((await mappedFiles(git, mapping, before)).map((file) => [file.target, file]));
  const now = await mappedFiles(git, mapping, after);
  const written = now.filter((file) => {
    const was = old.get(file.target);
    return was?.object !== file.object || was.kind !== file.kind;
  });
  const left = new Set(now.map(({ target }) => target));
  return { written, removed: [...old.keys()].filter((target) => !left.has(target)) };
}

/** A checksum of the files that `patterns` mean, or undefined if they mean none. */
export async function checksumOfFiles(
  git: Git,
  mapping: GitMapping,
  patterns: readonly string[],
): Promise<string | undefined> {
  if (patterns.length === 0) return undefined;
  const isMeant = pathMatcher(patterns);
  const base = mapping.add.slice(1);
  const files = (await mappedFiles(git, mapping, git.commit)).filter(({ path }) =>
    isMeant(relativeTo(base, path) ?? ''),
  );
  return checksum(files.map(({ path, kind, object }) => [path, kind, object]));
}

/** A checksum of all files of a mapping at HEAD. */
export async function checksumOfMapping(git: Git, mapping: GitMapping): Promise<string> {
  const files = await mappedFiles(git, mapping, git.commit);
  return checksum(files.map(({ target, kind, object }) => [target, kind, object]));
}

/** What of a mapping decides what is in the image, whatever the commit. */
export function mappingChecksum(mapping: GitMapping): string {
  const { remote, add, to, includePaths, excludePaths, owner, group } = mapping;
  return checksum(
    remote === undefined ? undefined : ['remote', remote.url, remote.ref.kind, remote.ref.name],
    add,
    to,
    ['include', ...includePaths],
    ['exclude', ...excludePaths],
    [owner ?? '', group ?? ''],
  );
}

/** The path below a folder; `''` for the file that `base` itself names. */
function relativeTo(base: string, path: string): string | undefined {
  if (base === '') return path;
  if (path === base) return '';
  return path.startsWith(`${base}/`) ? path.slice(base.length + 1) : undefined;
}

/** Matches a path that a pattern means, and all that is below it. */
function pathMatcher(patterns: readonly string[]): PathPattern {
  const compiled = patterns.flatMap((pattern) => {
    const clean = pattern.replace(/^\.\//, '').replace(/\/+$/, '');
    return compilePattern(clean, { doubleStar: true }) ?? [];
  });
  return (path) => {
    const parts = path.split('/');
    return parts.some((_, at) => {
      const above = parts.slice(0, at + 1).join('/');
      return compiled.some((matches) => matches(above));
    });
  };
}

/** The folder of the image that a mapping's files are put into. */
export function filledFolder(mapping: GitMapping, files: readonly MappedFile[]): string {
  const [first] = files;
  return first !== undefined && first.path === mapping.add.slice(1)
    ? posix.dirname(mapping.to)
    : mapping.to;
}
