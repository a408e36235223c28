import { SlipwayError } from '../errors.ts';
import {
  decodeName,
  invalidTar,
  isZeroBlock,
  parseTarHeader,
  TAR_BLOCK_BYTES,
  type TarHeader,
} from './tar-header.ts';
import { type PaxRecords, parsePax } from './tar-pax.ts';

/** What an entry is; devices and pipes are one kind, for nobody here makes any. */
export type TarEntryType = 'file' | 'directory' | 'symlink' | 'hardlink' | 'device';

/** An entry of an archive. Its name is as written: check it before it is used. */
export interface TarEntry {
  readonly name: string;
  readonly type: TarEntryType;
  /** where its data starts, in bytes */
  readonly offset: number;
  readonly sizeBytes: number;
  /** what a link names, as written; empty for others */
  readonly linkName: string;
  readonly mode: number;
  /** numbers of owner and group */
  readonly uid: number;
  readonly gid: number;
  /** seconds since 1970 */
  readonly mtimeSeconds: number;
  /** extended attributes by name, values as latin1 text */
  readonly xattrs?: ReadonlyMap<string, string>;
}

/** The bytes of an archive, read forwards. */
export interface TarInput {
  /** how far it has been read */
  readonly position: number;
  /** The next `length` bytes; fewer only where the archive ends. */
  read(length: number): Promise<Buffer>;
  /** Goes on to `position`; false if the archive ends before. */
  skipTo(position: number): Promise<boolean>;
}

/** Bounds of an archive, and its name in errors. */
export interface TarLimits {
  readonly what: string;
  /** headers in all, 100,000 if left out */
  readonly maxEntries?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** How an archive ended. */
export interface TarEnd {
  /** false if the blocks of zeros are missing that should end an archive */
  readonly hasEndMarker: boolean;
}

const DEFAULT_MAX_ENTRIES = 100_000;
/** pax records and long names of one entry */
const MAX_META_BYTES = 1024 * 1024;

interface Meta {
  pax?: PaxRecords;
  longName?: string;
  longLink?: string;
  sizeBytes: number;
}

/**
 * Walks the entries of an archive: v7, ustar, GNU long names and pax. What follows the end marker
 * is left alone.
 *
 * @throws SlipwayError `ARCHIVE_INVALID` for what isn't a tar archive, is sparse, or is understood
 * differently by different readers; `SIZE_MISMATCH` if it ends too early; `LIMIT_EXCEEDED`
 */
export async function* tarEntries(
  input: TarInput,
  { what, maxEntries = DEFAULT_MAX_ENTRIES, signal }: TarLimits,
): AsyncGenerator<TarEntry, TarEnd> {
  let meta: Meta = { sizeBytes: 0 };
  for (let count = 0; ; ) {
    signal?.throwIfAborted();
    const where = `${what}: the entry at byte ${input.position}`;
    const block = await input.read(TAR_BLOCK_BYTES);
    if (block.byteLength === 0 || isZeroBlock(block)) {
      if (isPending(meta)) throw invalidTar(where, 'was announced and is missing');
      if (block.byteLength === 0) return { hasEndMarker: false };
      return { hasEndMarker: await readSecondZeroBlock(input, where) };
    }
    if (block.byteLength < TAR_BLOCK_BYTES) throw truncated(what, input.position);
    if (++count > maxEntries) {
      throw new SlipwayError('LIMIT_EXCEEDED', `${what} has more than ${maxEntries} entries`);
    }
    const header = parseTarHeader(block, where);
    if ('xgLK'.includes(header.typeflag)) {
      meta = await readMeta(input, header, meta, what, where);
    } else {
      const entry = entryOf(header, meta, input.position, where);
      meta = { sizeBytes: 0 };
      yield entry;
      const end = entry.offset + padded(entry.sizeBytes);
      if (!(await input.skipTo(end))) throw truncated(what, input.position);
    }
  }
}

/** The size of data with its padding. */
export function padded(sizeBytes: number): number {
  return Math.ceil(sizeBytes / TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES;
}

function isPending(meta: Meta): boolean {
  return meta.pax !== undefined || meta.longName !== undefined || meta.longLink !== undefined;
}

/** One block of zeros at the very end is common; inside, readers disagree about what follows. */
async function readSecondZeroBlock(input: TarInput, where: string): Promise<boolean> {
  const second = await input.read(TAR_BLOCK_BYTES);
  if (second.byteLength < TAR_BLOCK_BYTES) return false;
  if (!isZeroBlock(second)) throw invalidTar(where, 'is a single block of zeros between others');
  return true;
}

async function readMeta(
  input: TarInput,
  header: TarHeader,
  meta: Meta,
  what: string,
  where: string,
): Promise<Meta> {
  const sizeBytes = meta.sizeBytes + header.sizeBytes;
  if (sizeBytes > MAX_META_BYTES) {
    throw new SlipwayError(
      'LIMIT_EXCEEDED',
      `${where} has more than ${MAX_META_BYTES} bytes of names and records`,
    );
  }
  const data = await input.read(padded(header.sizeBytes));
  if (data.byteLength < padded(header.sizeBytes)) throw truncated(what, input.position);
  const bytes = data.subarray(0, header.sizeBytes);
  // Records and long names together, or twice: to which header each belongs is told differently.
  const isLong = header.typeflag === 'L' || header.typeflag === 'K';
  if (meta.pax !== undefined || (isPending(meta) && !isLong)) throw mixed(where);
  if (header.typeflag === 'x') return { pax: parsePax(bytes, where), sizeBytes };
  if (header.typeflag === 'g') {
    const { path, linkPath, sizeBytes: size } = parsePax(bytes, where);
    if (path !== undefined || linkPath !== undefined || size !== undefined) {
      throw invalidTar(where, 'gives one name or size to all entries');
    }
    return meta;
  }
  const key = header.typeflag === 'L' ? 'longName' : 'longLink';
  if (meta[key] !== undefined) throw mixed(where);
  const end = bytes.indexOf(0);
  const text = decodeName(end < 0 ? bytes : bytes.subarray(0, end), where);
  return { ...meta, [key]: text, sizeBytes };
}

function mixed(where: string): SlipwayError {
  return invalidTar(where, 'has long names and records that readers understand in different ways');
}

function entryOf(header: TarHeader, meta: Meta, offset: number, where: string): TarEntry {
  const name = meta.pax?.path ?? meta.longName ?? header.name;
  const type = typeOf(header, name, where);
  const sizeBytes = sizeOf(header, meta.pax?.sizeBytes, where);
  if (sizeBytes > 0 && type !== 'file') {
    throw invalidTar(where, 'has data, which its type has not');
  }
  return {
    name,
    type,
    offset,
    sizeBytes,
    linkName: meta.pax?.linkPath ?? meta.longLink ?? header.linkName,
    mode: header.mode,
    uid: meta.pax?.uid ?? header.uid,
    gid: meta.pax?.gid ?? header.gid,
    mtimeSeconds: meta.pax?.mtimeSeconds ?? header.mtimeSeconds,
    ...(meta.pax?.xattrs === undefined ? {} : { xattrs: meta.pax.xattrs }),
  };
}

const TYPES: Readonly<Record<string, TarEntryType>> = {
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'device',
  '4': 'device',
  '5': 'directory',
  '6': 'device',
};

function typeOf({ typeflag }: TarHeader, name: string, where: string): TarEntryType {
  const type = Object.hasOwn(TYPES, typeflag) ? TYPES[typeflag] : undefined;
  if (type === undefined) {
    throw invalidTar(
      where,
      typeflag === 'S' ? 'is a sparse file' : 'is of a type that has no place in an image',
    );
  }
  // How v7 tar wrote folders.
  return type === 'file' && name.endsWith('/') ? 'directory' : type;
}

function sizeOf(header: TarHeader, paxSize: number | undefined, where: string): number {
  if (paxSize === undefined || paxSize === header.sizeBytes) return header.sizeBytes;
  // A pax size is there for what the field can't hold; otherwise both must say the same.
  if (header.sizeIsOpen && paxSize >= 2 ** 33) return paxSize;
  throw invalidTar(where, 'has two different sizes');
}

/** The error for an archive that ends too early. */
export function truncated(what: string, position: number): SlipwayError {
  return new SlipwayError('SIZE_MISMATCH', `${what} ends too early, at byte ${position}`, {
    hint: 'it was cut off while it was written or copied; get it again',
  });
}
