import { sniffCompression } from '../../bytes/inflate.ts';
import { isZeroBlock, parseTarHeader, TAR_BLOCK_BYTES } from '../../bytes/tar-header.ts';
import { isSlipwayError, SlipwayError } from '../../errors.ts';
import { quoted, shownPlace, type Where } from '../dockerfile/text.ts';
import type { DirectoryNode, FileNode, Node } from './nodes.ts';
import { directory } from './nodes.ts';
import type { Owner } from './owner.ts';
import { entriesOf, headOf, plain, type TarReading } from './spooled-tar.ts';
import { addTar } from './tar-tree.ts';
import type { Draft } from './tree.ts';

/** First bytes of compressions that Docker unpacks and Node can't. */
const FOREIGN: readonly (readonly [string, string])[] = [
  ['bzip2', '425a68'],
  ['xz', 'fd377a585a00'],
];

/** How archives that ADD finds are unpacked. */
export interface UnpackOptions extends Omit<TarReading, 'what' | 'open'> {
  readonly where: Where;
  readonly owner?: Owner | undefined;
  readonly nowSeconds: number;
}

/**
 * Unpacks a tar archive, plain or with gzip or zstd, into a folder of a tree. False if the file is
 * none.
 *
 * @throws SlipwayError `NO_ENGINE` for a compression that can't be unpacked here, and what is
 * wrong with an archive
 */
export async function unpackInto(
  draft: Draft,
  file: FileNode,
  name: string,
  destination: readonly string[],
  options: UnpackOptions,
): Promise<boolean> {
  const what = `the archive ${quoted(name)}`;
  if (!(await isTar(file, what, options.where))) return false;
  const { owner, nowSeconds } = options;
  const archive = directory();
  await addTar(archive, entriesOf({ ...options, what, open: file.open }), {
    what,
    whiteouts: false,
  });
  const made = { mode: 0o755, uid: owner?.uid ?? 0, gid: owner?.gid ?? 0 };
  const target = await draft.follow(destination);
  await draft.makeDirectory(target.parts, { ...made, mtimeSeconds: nowSeconds });
  await putAll(draft, archive, target.parts, owner, new Map());
  return true;
}

async function putAll(
  draft: Draft,
  folder: DirectoryNode,
  target: readonly string[],
  owner: Owner | undefined,
  files: Map<Node, Node>,
): Promise<void> {
  for (const [name, node] of await folder.children()) {
    if (node.kind === 'special') {
      throw new SlipwayError('NO_ENGINE', `the archive holds a device or pipe: ${quoted(name)}`, {
        hint: 'build with another engine, or make the archive without it',
      });
    }
    // Docker follows links that are there on the way, inside the image.
    const parts = [...target, name];
    if (node.kind === 'directory') {
      const place = await draft.follow(parts);
      const at = place.node?.kind === 'directory' ? place.parts : parts;
      await draft.put(at, directory({ ...node, ...owner }));
      await putAll(draft, node, at, owner, files);
      continue;
    }
    const copy = files.get(node) ?? { ...node, ...owner };
    files.set(node, copy);
    await draft.put(parts, copy);
  }
}

/** True if a file begins as a tar archive does, with its compression taken off. */
async function isTar(file: FileNode, what: string, where: Where): Promise<boolean> {
  if (file.sizeBytes === 0) return false;
  const raw = await headOnly(file.open(), 6);
  const foreign = FOREIGN.find(([, magic]) => raw.toString('hex').startsWith(magic));
  if (foreign !== undefined) {
    throw new SlipwayError(
      'NO_ENGINE',
      `${shownPlace(where)}: ${what} is compressed with ${foreign[0]}, which can't be unpacked here`,
      { hint: 'compress it with gzip or zstd, use COPY, or build with another engine' },
    );
  }
  try {
    const head = await headOnly(plain(file.open(), what), TAR_BLOCK_BYTES);
    if (head.byteLength < TAR_BLOCK_BYTES || isZeroBlock(head)) return false;
    parseTarHeader(head, what);
    return true;
  } catch (error) {
    const isOther = isSlipwayError(error, 'ARCHIVE_INVALID', 'SIZE_MISMATCH');
    // A file that changed is no answer.
    if (isOther && (sniffCompression(raw) !== 'none' || error.code === 'ARCHIVE_INVALID')) {
      return false;
    }
    throw error;
  }
}

async function headOnly(bytes: AsyncIterable<Uint8Array>, length: number): Promise<Buffer> {
  const { head, rest } = await headOf(bytes, length);
  for await (const _ of rest) break;
  return head;
}
