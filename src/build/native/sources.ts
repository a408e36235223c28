import path from 'node:path';
import { SlipwayError } from '../../errors.ts';
import type { IgnoreRules } from '../dockerfile/ignore.ts';
import { compilePattern } from '../dockerfile/path-pattern.ts';
import { quoted, shownPlace, syntaxError, type Where } from '../dockerfile/text.ts';
import { type DirectoryNode, type Node, partsOf } from './nodes.ts';
import { follow } from './walk.ts';

/** A tree that files are copied from. */
export interface SourceTree {
  readonly root: DirectoryNode;
  /** what it is, for errors: `the build context`, `the stage build` */
  readonly what: string;
  /** links are followed as in a running system; those of a context may not leave it */
  readonly isRoot: boolean;
  /** what is left out of a context, to tell why something isn't there */
  readonly ignored?: IgnoreRules;
}

/** Something that is to be copied, and its name there if it goes into a folder. */
export interface SourceNode {
  readonly node: Node;
  readonly name: string;
}

const WILDCARDS = /(?:^|[^\\])(?:\\\\)*[*?[]/;

/**
 * What a source of COPY names: links at its end are followed; a pattern names all that match, or
 * nothing.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `CONFIG_INVALID`
 */
export async function sourcesOf(
  tree: SourceTree,
  source: string,
  where: Where,
): Promise<readonly SourceNode[]> {
  const clean = path.posix.normalize(source === '' ? '.' : source).replace(/^\/+/, '');
  if (clean === '..' || clean.startsWith('../') || /^\/*\.\.(?:\/|$)/.test(source)) {
    throw new SlipwayError(
      'CONFIG_INVALID',
      `${shownPlace(where)}: ${quoted(source)} is outside of ${tree.what}`,
      { hint: 'sources are paths below its root' },
    );
  }
  const { what, isRoot } = tree;
  const parts = partsOf(clean);
  if (!WILDCARDS.test(clean)) {
    // An escaped character stands for itself.
    const plain = parts.map((part) => part.replace(/\\(.)/gsu, '$1'));
    const { node } = await follow(tree.root, plain, { what, isRoot });
    if (node === undefined) throw missing(tree, source, plain.join('/'), where);
    return [{ node, name: plain.at(-1) ?? '' }];
  }
  const found: SourceNode[] = [];
  for (const match of await matchesOf(tree, parts, source, where)) {
    const { node } = await follow(tree.root, match, { what, isRoot });
    if (node === undefined) throw missing(tree, source, match.join('/'), where);
    found.push({ node, name: match.at(-1) ?? '' });
  }
  return found;
}

/** All paths that match, part by part; links in their middle aren't followed. */
async function matchesOf(
  tree: SourceTree,
  parts: readonly string[],
  source: string,
  where: Where,
): Promise<readonly (readonly string[])[]> {
  const { what, isRoot } = tree;
  const fixed = parts.findIndex((part) => WILDCARDS.test(part));
  const start = await follow(tree.root, parts.slice(0, fixed), { what, isRoot });
  let folders = [{ parts: start.parts, node: start.node }];
  for (const [depth, part] of parts.slice(fixed).entries()) {
    const matches = compilePattern(part);
    if (matches === undefined) throw syntaxError(where, `${quoted(source)} is no pattern`);
    const isLast = fixed + depth === parts.length - 1;
    const next: { parts: readonly string[]; node: Node | undefined }[] = [];
    for (const folder of folders) {
      if (folder.node?.kind !== 'directory') continue;
      for (const [name, node] of await folder.node.children()) {
        if (matches(name) && (isLast || node.kind === 'directory')) {
          next.push({ parts: [...folder.parts, name], node });
        }
      }
    }
    folders = next;
  }
  const paths = folders.map((folder) => folder.parts);
  return paths.sort((a, b) => (a.join('/') < b.join('/') ? -1 : 1));
}

function missing(tree: SourceTree, source: string, path: string, where: Where): SlipwayError {
  const isIgnored = tree.ignored?.ignores(path) === true;
  return new SlipwayError(
    'FILE_NOT_FOUND',
    `${shownPlace(where)}: ${quoted(`/${path}`)}: not found in ${tree.what}`,
    {
      path: source,
      hint: isIgnored
        ? '.dockerignore leaves it out'
        : 'paths of sources begin at the root of the context, not of the Dockerfile',
    },
  );
}
