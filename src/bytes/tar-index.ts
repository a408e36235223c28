import type { FileHandle } from 'node:fs/promises';
import { SlipwayError } from '../errors.ts';
import { type TarEntry, type TarInput, type TarLimits, tarEntries } from './tar-entries.ts';
import { invalidTar } from './tar-header.ts';
import { linkTarget, safeParts, shownName } from './tar-name.ts';

/** A regular file inside an archive, by the place of its bytes. */
export interface TarFile {
  /** parts joined by `/`, without `.` */
  readonly name: string;
  /** first byte in the archive */
  readonly offset: number;
  readonly sizeBytes: number;
  /** places of files of the same name and size, where an archive has a name more than once */
  readonly twinOffsets: readonly number[];
}

/** What an archive holds, without any of its data. */
export interface TarIndex {
  /** files by name; links stand here as the file that they name */
  readonly files: ReadonlyMap<string, TarFile>;
  /** entries of every kind */
  readonly entryCount: number;
  /** false if the blocks of zeros are missing that should end an archive */
  readonly hasEndMarker: boolean;
}

/** An archive in a file that is open. */
export interface TarIndexOptions extends TarLimits {
  readonly sizeBytes: number;
}

/** Headers often stand close together; one read brings many. */
const READ_BYTES = 64 * 1024;
/** characters of all names: they are kept in memory, and each folder of each is looked at */
const MAX_NAMES_LENGTH = 16 * 1024 * 1024;

interface Node extends TarEntry {
  readonly parts: readonly string[];
  readonly where: string;
  readonly twinOffsets: number[];
}

/**
 * Walks the headers of an archive once, so that its files can be read where they are. Nothing is
 * unpacked: a link must name a regular file of the same archive, in one step.
 *
 * @throws SlipwayError `ARCHIVE_INVALID`, `SIZE_MISMATCH` if it ends too early, `LIMIT_EXCEEDED`
 */
export async function indexTar(handle: FileHandle, options: TarIndexOptions): Promise<TarIndex> {
  const nodes = new Map<string, Node>();
  const spellings = new Map<string, string>();
  const walking = tarEntries(tarInput(handle, options.sizeBytes), options);
  let entryCount = 0;
  let nameLength = 0;
  for (let next = await walking.next(); ; next = await walking.next()) {
    if (next.done) {
      const files = resolveAll(nodes);
      return { files, entryCount, hasEndMarker: next.value.hasEndMarker };
    }
    entryCount++;
    nameLength += next.value.name.length + next.value.linkName.length;
    if (nameLength > MAX_NAMES_LENGTH) {
      throw new SlipwayError('LIMIT_EXCEEDED', `${options.what} has too many long names`);
    }
    addEntry(nodes, spellings, next.value, options.what);
  }
}

function addEntry(
  nodes: Map<string, Node>,
  spellings: Map<string, string>,
  entry: TarEntry,
  what: string,
): void {
  const where = `${what}: the entry ${shownName(entry.name)}`;
  const parts = safeParts(entry.name, where);
  if (entry.type === 'device') throw invalidTar(where, 'is a device or a pipe');
  if (parts.length === 0 && entry.type !== 'directory') {
    throw invalidTar(where, 'takes the place of the root');
  }
  const name = parts.join('/');
  const normal = name.normalize('NFC');
  if ((spellings.get(normal) ?? name) !== name) {
    throw invalidTar(where, 'is spelled in two ways that some file systems take for one');
  }
  spellings.set(normal, name);
  const before = nodes.get(name);
  if (before === undefined) {
    nodes.set(name, { ...entry, name, parts, where, twinOffsets: [] });
    return;
  }
  if (before.type === 'directory' && entry.type === 'directory') return;
  if (before.type !== 'file' || entry.type !== 'file' || before.sizeBytes !== entry.sizeBytes) {
    throw invalidTar(where, 'is there twice, and not as the same');
  }
  before.twinOffsets.push(entry.offset);
}

function resolveAll(nodes: ReadonlyMap<string, Node>): Map<string, TarFile> {
  const files = new Map<string, TarFile>();
  for (const node of nodes.values()) {
    refuseBelowOther(nodes, node);
    if (node.type === 'directory') continue;
    const file = node.type === 'file' ? node : linkedFile(nodes, node);
    const { offset, sizeBytes, twinOffsets } = file;
    files.set(node.name, { name: file.name, offset, sizeBytes, twinOffsets });
  }
  return files;
}

/** Nothing may stand below a link or a file: a reader that unpacks would write through it. */
function refuseBelowOther(nodes: ReadonlyMap<string, Node>, node: Node): void {
  for (let slash = node.name.indexOf('/'); slash >= 0; slash = node.name.indexOf('/', slash + 1)) {
    const above = nodes.get(node.name.slice(0, slash));
    if (above !== undefined && above.type !== 'directory') {
      throw invalidTar(node.where, 'stands below an entry that is no folder');
    }
  }
}

function linkedFile(nodes: ReadonlyMap<string, Node>, link: Node): Node {
  // A hard link names an entry of the archive, a symbolic one starts at its own folder.
  const folder = link.type === 'symlink' ? link.parts.slice(0, -1) : [];
  const target = nodes.get(linkTarget(folder, link.linkName, link.where).join('/'));
  if (target?.type === 'file') return target;
  throw invalidTar(link.where, 'is a link that names no regular file of the archive');
}

/** The bytes of an archive in a file. What `read` gives is good until the next read: headers and records are parsed at once. */
export function tarInput(handle: FileHandle, sizeBytes: number): TarInput {
  let buffer = Buffer.alloc(READ_BYTES);
  let start = 0;
  let filled = 0;
  let position = 0;
  const fill = async (length: number) => {
    if (length > buffer.byteLength) buffer = Buffer.alloc(length);
    const wanted = Math.min(buffer.byteLength, sizeBytes - position);
    start = position;
    filled = 0;
    while (filled < wanted) {
      const { bytesRead } = await handle.read(buffer, filled, wanted - filled, start + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
  };
  return {
    get position() {
      return position;
    },
    async read(length) {
      if (position < start || position + length > start + filled) await fill(length);
      const from = position - start;
      const found = buffer.subarray(from, Math.min(from + length, filled));
      position += found.byteLength;
      return found;
    },
    async skipTo(to) {
      if (to > sizeBytes) return false;
      position = to;
      return true;
    },
  };
}
