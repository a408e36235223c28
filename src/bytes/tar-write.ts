import { padded } from './tar-entries.ts';
import { TAR_BLOCK_BYTES } from './tar-header.ts';

/** An entry that is written: owned by root, dated 1970, so that the same content is the same archive. */
export interface TarEntryOut {
  /** a name that this program made: relative, without `..` */
  readonly name: string;
  /** data that will follow; a folder has none */
  readonly sizeBytes: number;
  readonly type?: 'file' | 'directory';
  /** permission bits; 0644 for a file and 0755 for a folder if left out */
  readonly mode?: number;
}

/** Two blocks of zeros: the end of an archive. */
export const TAR_END: Uint8Array = Buffer.alloc(2 * TAR_BLOCK_BYTES);

const NAME_BYTES = 100;
/** What eleven octal digits can't hold any more. */
const LARGE_BYTES = 8 ** 11;

/**
 * The header of an entry: ustar, with a pax record in front for a name of more than 100 bytes, and
 * a base-256 size from 8 GiB on. A size is told once, so no two readers can find different ones.
 */
export function tarHeader({ name, sizeBytes, type = 'file', mode }: TarEntryOut): Uint8Array {
  const isLong = Buffer.byteLength(name) > NAME_BYTES;
  const own = header(
    isLong ? name.slice(0, NAME_BYTES) : name,
    sizeBytes,
    type === 'file' ? '0' : '5',
    mode ?? (type === 'file' ? 0o644 : 0o755),
  );
  if (!isLong) return own;
  const record = paxRecord('path', name);
  const start = header('PaxHeader', record.byteLength, 'x', 0o644);
  return Buffer.concat([start, record, tarPadding(record.byteLength), own]);
}

/** What fills up the last block of data of this size. */
export function tarPadding(sizeBytes: number): Uint8Array {
  return new Uint8Array(padded(sizeBytes) - sizeBytes);
}

function header(name: string, sizeBytes: number, typeflag: string, mode: number): Buffer {
  const block = Buffer.alloc(TAR_BLOCK_BYTES);
  block.write(name, 0, NAME_BYTES);
  octal(block, 100, 8, mode);
  octal(block, 108, 8, 0);
  octal(block, 116, 8, 0);
  if (sizeBytes < LARGE_BYTES) octal(block, 124, 12, sizeBytes);
  else {
    block.writeUInt8(0x80, 124);
    block.writeBigUInt64BE(BigInt(sizeBytes), 128);
  }
  octal(block, 136, 12, 0);
  block.write(typeflag, 156);
  block.write('ustar\x0000', 257);
  block.fill(0x20, 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function octal(block: Buffer, start: number, length: number, value: number): void {
  block.write(`${value.toString(8).padStart(length - 1, '0')}\0`, start);
}

function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + 1;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return Buffer.from(`${length} ${key}=${value}\n`);
}
