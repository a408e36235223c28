import { padded } from './tar-entries.ts';
import { TAR_BLOCK_BYTES } from './tar-header.ts';
import { XATTR_PREFIX } from './tar-pax.ts';

/**
 * An entry that is written. What is left out is the same everywhere: owned by root, dated 1970, so
 * that the same content is the same archive.
 */
export interface TarEntryOut {
  /** a name that was looked at: relative, without `..` */
  readonly name: string;
  /** data that will follow; only a file has some */
  readonly sizeBytes: number;
  readonly type?: 'file' | 'directory' | 'symlink' | 'hardlink';
  /** permission bits; 0644 for a file, 0755 for a folder, 0777 for a symbolic link if left out */
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** whole seconds since 1970 */
  readonly mtimeSeconds?: number;
  /** what a link names */
  readonly linkName?: string;
  /** extended attributes by name, values as latin1 text */
  readonly xattrs?: ReadonlyMap<string, string>;
}

/** Two blocks of zeros: the end of an archive. */
export const TAR_END: Uint8Array = Buffer.alloc(2 * TAR_BLOCK_BYTES);

const NAME_BYTES = 100;
/** What eleven, and seven, octal digits can't hold any more. */
const LARGE_BYTES = 8 ** 11;
const LARGE_OWNER = 8 ** 7;

const TYPEFLAG = { file: '0', hardlink: '1', symlink: '2', directory: '5' } as const;
const MODE = { file: 0o644, hardlink: 0o644, symlink: 0o777, directory: 0o755 } as const;

/**
 * The header of an entry: ustar, with pax records in front for names of more than 100 bytes, for
 * owners, times before 1970 and attributes that ustar has no room for, and a base-256 size from
 * 8 GiB on. A size is told once, so no two readers can find different ones.
 */
export function tarHeader(entry: TarEntryOut): Uint8Array {
  const { name, linkName = '', uid = 0, gid = 0, mtimeSeconds = 0, xattrs } = entry;
  const records: Buffer[] = [];
  const say = (key: string, value: string) => {
    records.push(paxRecord(key, Buffer.from(value)));
  };
  if (Buffer.byteLength(name) > NAME_BYTES) say('path', name);
  if (Buffer.byteLength(linkName) > NAME_BYTES) say('linkpath', linkName);
  if (uid >= LARGE_OWNER) say('uid', String(uid));
  if (gid >= LARGE_OWNER) say('gid', String(gid));
  if (mtimeSeconds < 0) say('mtime', String(mtimeSeconds));
  for (const key of [...(xattrs?.keys() ?? [])].sort()) {
    records.push(paxRecord(XATTR_PREFIX + key, Buffer.from(xattrs?.get(key) ?? '', 'latin1')));
  }
  const own = header(entry);
  if (records.length === 0) return own;
  const record = Buffer.concat(records);
  const start = header({ name: 'PaxHeader', sizeBytes: record.byteLength }, 'x');
  return Buffer.concat([start, record, tarPadding(record.byteLength), own]);
}

/** What fills up the last block of data of this size. */
export function tarPadding(sizeBytes: number): Uint8Array {
  return new Uint8Array(padded(sizeBytes) - sizeBytes);
}

function header(entry: TarEntryOut, typeflag?: string): Buffer {
  const { name, sizeBytes, type = 'file', uid = 0, gid = 0, mtimeSeconds = 0 } = entry;
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  block.write(name, 0, NAME_BYTES);
  octal(block, 100, 8, entry.mode ?? MODE[type]);
  octal(block, 108, 8, uid < LARGE_OWNER ? uid : 0);
  octal(block, 116, 8, gid < LARGE_OWNER ? gid : 0);
  if (sizeBytes < LARGE_BYTES) octal(block, 124, 12, sizeBytes);
  else {
    block.writeUInt8(0x80, 124);
    block.writeBigUInt64BE(BigInt(sizeBytes), 128);
  }
  octal(block, 136, 12, Math.max(0, mtimeSeconds));
  block.write(typeflag ?? TYPEFLAG[type], 156);
  block.write(entry.linkName ?? '', 157, NAME_BYTES);
  block.write('ustar\x0000', 257);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function octal(block: Buffer, start: number, length: number, value: number): void {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, start);
}

function paxRecord(key: string, value: Buffer): Buffer {
  const rest = Buffer.byteLength(` ${key}=\n`) + value.byteLength;
  let length = rest + 1;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from('\n')]);
}
