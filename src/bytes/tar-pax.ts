import { decodeName, invalidTar } from './tar-header.ts';

/** What a pax header says about the entry after it, as far as Slipway uses it. */
export interface PaxRecords {
  readonly path?: string;
  readonly linkPath?: string;
  readonly sizeBytes?: number;
  /** seconds since 1970, with a fraction */
  readonly mtimeSeconds?: number;
  readonly uid?: number;
  readonly gid?: number;
  /** extended attributes by name, values as latin1 text */
  readonly xattrs?: ReadonlyMap<string, string>;
}

const USED = new Set(['path', 'linkpath', 'size', 'mtime', 'uid', 'gid']);
/** How tar programs write extended attributes. */
export const XATTR_PREFIX = 'SCHILY.xattr.';

/**
 * Parses the records of a pax header (POSIX.1-2001, "pax Extended Header"). Keys that Slipway has
 * no use for are left out; sparse files, empty values and keys that come twice are refused.
 *
 * @param where names archive and offset in errors
 * @throws SlipwayError `ARCHIVE_INVALID`
 */
export function parsePax(bytes: Buffer, where: string): PaxRecords {
  const found = new Map<string, string>();
  const xattrs = new Map<string, string>();
  let position = 0;
  while (position < bytes.byteLength) {
    const record = nextRecord(bytes, position, where);
    position = record.end;
    if (record.key.startsWith('GNU.sparse.')) throw invalidTar(where, 'describes a sparse file');
    if (record.key.startsWith(XATTR_PREFIX)) {
      xattrs.set(record.key.slice(XATTR_PREFIX.length), record.value.toString('latin1'));
    }
    if (!USED.has(record.key)) continue;
    if (found.has(record.key)) throw invalidTar(where, `has two pax records for ${record.key}`);
    if (record.value.byteLength === 0 || record.value.includes(0)) {
      throw invalidTar(where, `has a pax ${record.key} that readers understand in different ways`);
    }
    found.set(record.key, decodeName(record.value, where));
  }
  const path = found.get('path');
  const linkPath = found.get('linkpath');
  const size = found.get('size');
  const mtime = found.get('mtime');
  const uid = found.get('uid');
  const gid = found.get('gid');
  return {
    ...(path === undefined ? {} : { path }),
    ...(linkPath === undefined ? {} : { linkPath }),
    ...(size === undefined ? {} : { sizeBytes: paxSize(size, where) }),
    ...(mtime === undefined ? {} : { mtimeSeconds: paxTime(mtime, where) }),
    ...(uid === undefined ? {} : { uid: paxOwner(uid, where) }),
    ...(gid === undefined ? {} : { gid: paxOwner(gid, where) }),
    ...(xattrs.size === 0 ? {} : { xattrs }),
  };
}

interface PaxRecord {
  readonly key: string;
  readonly value: Buffer;
  readonly end: number;
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself. */
function nextRecord(bytes: Buffer, start: number, where: string): PaxRecord {
  const space = bytes.indexOf(0x20, start);
  const digits = space < 0 ? '' : bytes.toString('latin1', start, Math.min(space, start + 9));
  const end = start + (/^[1-9][0-9]{0,7}$/.test(digits) ? Number(digits) : 0);
  const equals = bytes.indexOf(0x3d, space);
  if (
    end <= space + 1 ||
    end > bytes.byteLength ||
    bytes[end - 1] !== 0x0a ||
    equals <= space + 1 ||
    equals >= end
  ) {
    throw invalidTar(where, 'has a pax record of the wrong length');
  }
  return {
    key: bytes.toString('utf8', space + 1, equals),
    value: bytes.subarray(equals + 1, end - 1),
    end,
  };
}

function paxSize(value: string, where: string): number {
  const sizeBytes = /^[0-9]{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(sizeBytes)) throw invalidTar(where, 'has a pax size that is no size');
  return sizeBytes;
}

function paxOwner(value: string, where: string): number {
  if (!/^[0-9]{1,10}$/.test(value)) throw invalidTar(where, 'has a pax owner that is no number');
  return Number(value);
}

function paxTime(value: string, where: string): number {
  if (!/^-?[0-9]{1,15}(\.[0-9]*)?$/.test(value)) {
    throw invalidTar(where, 'has a pax time that is no time');
  }
  return Number(value);
}
