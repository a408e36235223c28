import { SlipwayError } from '../../errors.ts';
import { quoted } from '../dockerfile/text.ts';
import { type DirectoryNode, type Node, partsOf } from './nodes.ts';

/** Where a path leads, symbolic links followed inside the tree. */
export interface Found {
  /** the parts of the place itself, without links */
  readonly parts: readonly string[];
  /** undefined if nothing is there */
  readonly node: Node | undefined;
}

export interface FollowOptions {
  /** what the tree is, for errors */
  readonly what: string;
  /** false: a link at the end is found itself */
  readonly followLast?: boolean;
  /**
   * false: a link that is absolute or climbs out of the tree is refused. Otherwise links are
   * followed as a process would that has the tree as its root.
   */
  readonly isRoot?: boolean;
}

/** As many as Linux follows. */
const MAX_LINKS = 40;

/**
 * Follows a path inside a tree. What isn't there has its place all the same: the links before it
 * are followed.
 *
 * @throws SlipwayError `CONFIG_INVALID` for links in a circle, or out of a tree that isn't a root
 */
export async function follow(
  root: DirectoryNode,
  path: readonly string[],
  { what, followLast = true, isRoot = true }: FollowOptions,
): Promise<Found> {
  const todo = [...path].reverse();
  const trail: Node[] = [root];
  const parts: string[] = [];
  let links = 0;
  const up = () => {
    if (parts.pop() !== undefined) trail.pop();
    else if (!isRoot) throw leavesTree(path, what);
  };
  for (let part = todo.pop(); part !== undefined; part = todo.pop()) {
    if (part === '..') {
      up();
      continue;
    }
    const here = trail.at(-1);
    const child = here?.kind === 'directory' ? (await here.children()).get(part) : undefined;
    if (child?.kind === 'symlink' && (followLast || todo.length > 0)) {
      if (++links > MAX_LINKS) {
        throw new SlipwayError(
          'CONFIG_INVALID',
          `${quoted(path.join('/'))} in ${what} has symbolic links that lead in a circle`,
        );
      }
      if (child.target.startsWith('/')) {
        if (!isRoot) throw leavesTree(path, what);
        trail.length = 1;
        parts.length = 0;
      }
      todo.push(...[...partsOf(child.target)].reverse());
      continue;
    }
    parts.push(part);
    // What isn't there has no children either.
    trail.push(child ?? NOTHING);
  }
  const node = trail.at(-1);
  return { parts, node: node === NOTHING ? undefined : node };
}

const NOTHING: Node = { kind: 'special', mode: 0, uid: 0, gid: 0, mtimeSeconds: 0 };

function leavesTree(path: readonly string[], what: string): SlipwayError {
  return new SlipwayError(
    'CONFIG_INVALID',
    `${quoted(path.join('/'))} is or goes through a symbolic link that leads out of ${what}`,
    {
      hint: 'only what is in the context can be copied; make the context larger, or copy the file in',
    },
  );
}
