import { collect, readHandleBytes } from '../../bytes/stream.ts';
import { SlipwayError } from '../../errors.ts';
import { type IgnoreRules, parseIgnore } from '../dockerfile/ignore.ts';
import type { BuildContext, BuildRequest } from '../engine.ts';
import { openContextFolder } from './context-folder.ts';
import { type DirectoryNode, directory, type Node, partsOf } from './nodes.ts';
import type { SourceTree } from './sources.ts';
import { entriesOf } from './spooled-tar.ts';
import { addTar } from './tar-tree.ts';
import { follow } from './walk.ts';

const WHAT = 'the build context';
const MAX_TEXT_BYTES = 16 * 1024 * 1024;

/** A context that isn't a folder was looked through once. */
type TarContext = BuildContext & { readonly kind: 'tar' };

/**
 * Opens what COPY and ADD take their files from, without what .dockerignore leaves out.
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `ARCHIVE_INVALID`, `NO_ENGINE`
 */
export async function openContext(request: BuildRequest): Promise<SourceTree> {
  const { context } = request;
  const tree = (root: DirectoryNode, ignored?: IgnoreRules): SourceTree => ({
    root,
    what: WHAT,
    isRoot: false,
    ...(ignored === undefined ? {} : { ignored }),
  });
  switch (context.kind) {
    case 'folder': {
      const rules = parseIgnore(request.dockerfile?.ignore);
      return tree(await openContextFolder(context.path, rules), rules);
    }
    case 'tar': {
      const root = await treeOfTar(context);
      const name = request.dockerfileInContext ?? 'Dockerfile';
      const own = request.dockerfile?.ignore ?? (await textIn(root, `${name}.dockerignore`));
      const rules = parseIgnore(own ?? (await textIn(root, '.dockerignore')));
      return tree(await without(root, rules, ''), rules);
    }
    case 'empty':
      return tree(directory());
    default:
      throw new SlipwayError('NO_ENGINE', 'the native engine has no git contexts');
  }
}

/**
 * The Dockerfile inside a tar context.
 *
 * @throws SlipwayError `FILE_NOT_FOUND` if it isn't there
 */
export async function dockerfileIn(context: TarContext, name: string): Promise<Uint8Array> {
  const bytes = await textIn(await treeOfTar(context), name);
  if (bytes !== undefined) return bytes;
  throw new SlipwayError('FILE_NOT_FOUND', `there is no ${name} in ${context.name}`, {
    hint: '-f names it, as a path inside the context',
  });
}

async function treeOfTar({ handle, name, sizeBytes }: TarContext): Promise<DirectoryNode> {
  const open = (start = 0, length = sizeBytes - start) =>
    readHandleBytes(handle, name, { start, length });
  const root = directory();
  const reading = { what: name, open, spoolDir: '', onClose: () => {} };
  const entries = async function* () {
    for await (const entry of entriesOf(reading)) {
      const { offset, sizeBytes: length } = entry;
      // All belongs to root, as in a context that is a folder.
      yield { ...entry, uid: 0, gid: 0, open: () => open(offset, length) };
    }
  };
  await addTar(root, entries(), { what: name, whiteouts: false });
  return root;
}

async function textIn(root: DirectoryNode, name: string): Promise<Uint8Array | undefined> {
  const { node } = await follow(root, partsOf(name), { what: WHAT, isRoot: false });
  if (node?.kind !== 'file') return undefined;
  return collect(node.open(), MAX_TEXT_BYTES, name);
}

async function without(
  root: DirectoryNode,
  rules: IgnoreRules,
  below: string,
): Promise<DirectoryNode> {
  const kept = new Map<string, Node>();
  for (const [name, node] of await root.children()) {
    const path = below === '' ? name : `${below}/${name}`;
    const isIgnored = rules.ignores(path);
    if (node.kind !== 'directory') {
      if (!isIgnored) kept.set(name, node);
      continue;
    }
    if (isIgnored && !rules.hasExceptions) continue;
    const folder = await without(node, rules, path);
    if (!isIgnored || (await folder.children()).size > 0) kept.set(name, folder);
  }
  return directory(root, kept);
}
