import { SlipwayError } from '../errors.ts';

/** Length of a header, and what every entry's data is padded to. */
export const TAR_BLOCK_BYTES = 512;

/** A tar header as it stands in the archive, before long names and pax records change it. */
export interface TarHeader {
  readonly name: string;
  /** one character; an old header's NUL is `0` */
  readonly typeflag: string;
  readonly sizeBytes: number;
  /** true if the size field holds its largest octal number, or nothing: a pax size may replace it */
  readonly sizeIsOpen: boolean;
  readonly linkName: string;
  readonly mode: number;
  /** numbers of owner and group */
  readonly uid: number;
  readonly gid: number;
  /** seconds since 1970, can be negative */
  readonly mtimeSeconds: number;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const LARGEST_OCTAL_SIZE = 0o77777777777;

/** True for a block of zeros: two of them end an archive. */
export function isZeroBlock(block: Buffer): boolean {
  return block.every((byte) => byte === 0);
}

/**
 * Parses a header: v7, ustar (POSIX.1-1988) or GNU. What readers are known to disagree about is
 * refused.
 *
 * @param where names archive and offset in errors
 * @throws SlipwayError `ARCHIVE_INVALID`
 */
export function parseTarHeader(block: Buffer, where: string): TarHeader {
  if (checksum(block) !== number(block, 148, 8, where, 'checksum')) {
    throw invalidTar(where, 'is no tar header: its checksum is wrong');
  }
  const typeflag = block[156] === 0 ? '0' : String.fromCharCode(block[156] ?? 0);
  const sizeBytes = number(block, 124, 12, where, 'size');
  if (sizeBytes < 0) throw invalidTar(where, 'has a negative size');
  const prefix = prefixOf(block, where);
  const name = text(block, 0, 100, where);
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    typeflag,
    sizeBytes,
    sizeIsOpen: sizeBytes === 0 || sizeBytes === LARGEST_OCTAL_SIZE,
    linkName: text(block, 157, 100, where),
    mode: number(block, 100, 8, where, 'mode') & 0o7777,
    uid: number(block, 108, 8, where, 'uid'),
    gid: number(block, 116, 8, where, 'gid'),
    mtimeSeconds: number(block, 136, 12, where, 'time'),
  };
}

function checksum(block: Buffer): number {
  let sum = 8 * 0x20;
  for (let at = 0; at < TAR_BLOCK_BYTES; at++) {
    if (at < 148 || at >= 156) sum += block[at] ?? 0;
  }
  return sum;
}

/** Only ustar has a prefix; GNU keeps times and sparse maps in its place. */
function prefixOf(block: Buffer, where: string): string {
  const magic = block.toString('latin1', 257, 265);
  if (!magic.startsWith('ustar\0') || block[345] === 0) return '';
  if (magic !== 'ustar\x0000' || block.subarray(500).some((byte) => byte !== 0)) {
    throw invalidTar(where, 'has a name prefix that readers understand in different ways');
  }
  return text(block, 345, 155, where);
}

function text(block: Buffer, start: number, length: number, where: string): string {
  const field = block.subarray(start, start + length);
  const end = field.indexOf(0);
  return decodeName(end < 0 ? field : field.subarray(0, end), where);
}

/**
 * A name's bytes as text.
 *
 * @throws SlipwayError `ARCHIVE_INVALID` if they aren't UTF-8
 */
export function decodeName(bytes: Uint8Array, where: string): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw invalidTar(where, 'has a name that is not UTF-8');
  }
}

/** Octal digits, or base-256 where the first bit is set (GNU). */
function number(
  block: Buffer,
  start: number,
  length: number,
  where: string,
  field: string,
): number {
  const first = block[start] ?? 0;
  if ((first & 0x80) !== 0) return base256(block.subarray(start, start + length), where, field);
  const digits = /^ *([0-7]*)[ \0]*$/.exec(block.toString('latin1', start, start + length));
  if (digits === null) throw invalidTar(where, `has a ${field} that is no number`);
  return Number.parseInt(`0${digits[1]}`, 8);
}

function base256(bytes: Buffer, where: string, field: string): number {
  let value = (bytes[0] ?? 0) === 0xff ? -1n : BigInt((bytes[0] ?? 0) & 0x7f);
  for (const byte of bytes.subarray(1)) value = value * 256n + BigInt(byte);
  const found = Number(value);
  if (!Number.isSafeInteger(found)) {
    throw invalidTar(where, `has a ${field} beyond what any file has`);
  }
  return found;
}

/** The error for an archive that no reader should trust. */
export function invalidTar(where: string, problem: string): SlipwayError {
  return new SlipwayError('ARCHIVE_INVALID', `${where} ${problem}`, {
    hint: 'the archive is damaged or was made to mislead; make it again with the tool it is from',
  });
}
