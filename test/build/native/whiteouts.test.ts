import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DirectoryNode, directory } from '../../../src/build/native/nodes.ts';
import { addTar, type OpenableEntry } from '../../../src/build/native/tar-tree.ts';
import { fromMemory } from '../../../src/bytes/stream.ts';

/** Puts layers over each other; a name with a slash at its end is a folder. */
async function treeOf(...layers: readonly (readonly string[])[]): Promise<DirectoryNode> {
  const root = directory();
  for (const names of layers) {
    const entries = async function* (): AsyncGenerator<OpenableEntry> {
      for (const name of names) {
        const type = name.endsWith('/') ? 'directory' : 'file';
        const attributes = { mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 0 };
        const open = () => fromMemory(Buffer.alloc(0));
        yield { ...attributes, name, type, linkName: '', sizeBytes: 0, offset: 0, open };
      }
    };
    await addTar(root, entries(), { what: 'a layer', whiteouts: true });
  }
  return root;
}

/** Every path in a tree. */
async function pathsIn(folder: DirectoryNode, below = ''): Promise<readonly string[]> {
  const paths: string[] = [];
  for (const [name, node] of await folder.children()) {
    paths.push(`${below}${name}`);
    if (node.kind === 'directory') paths.push(...(await pathsIn(node, `${below}${name}/`)));
  }
  return paths.sort();
}

const LOWER = ['d/', 'd/low', 'd/sub/', 'd/sub/deep/', 'd/sub/deep/low', 'other'];

for (const [what, upper, left] of [
  [
    'a mark takes a file away',
    ['d/.wh.low'],
    ['d', 'd/sub', 'd/sub/deep', 'd/sub/deep/low', 'other'],
  ],
  ['a mark takes a folder away', ['d/.wh.sub'], ['d', 'd/low', 'other']],
  ['a mark is for lower layers only', ['new', '.wh.new', '.wh.d'], ['new', 'other']],
  [
    'an opaque folder has what its layer has',
    ['d/', 'd/.wh..wh..opq', 'd/new'],
    ['d', 'd/new', 'other'],
  ],
  [
    'an opaque folder whose mark comes last has nothing from below, at any depth',
    ['d/', 'd/new', 'd/sub/', 'd/sub/new', 'd/sub/deep/', 'd/.wh..wh..opq'],
    ['d', 'd/new', 'd/sub', 'd/sub/deep', 'd/sub/new', 'other'],
  ],
] as const) {
  test(what, async () => {
    assert.deepEqual(await pathsIn(await treeOf(LOWER, upper)), left);
  });
}
