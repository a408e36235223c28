import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SlipwayError } from '../errors.ts';
import type { ImageFile } from './image-files.ts';

/** Tags of a header (rpm, "tags"), and its types. */
const TAG = { name: 1000, version: 1001, release: 1002 } as const;
const TYPE_STRING = 6;
const ENTRY_BYTES = 16;
const MAX_ENTRIES = 64 * 1024;
const MAX_DATABASE_BYTES = 1024 * 1024 * 1024;

/**
 * The version and release of a package in an rpm database of the SQLite kind.
 *
 * @throws SlipwayError `CONTENT_INVALID` for what isn't such a database
 */
export async function rpmVersion(
  { node, path }: ImageFile,
  name: string,
  spoolDir: string,
): Promise<string | undefined> {
  if (node.sizeBytes > MAX_DATABASE_BYTES) {
    throw new SlipwayError('LIMIT_EXCEEDED', `${path} is larger than ${MAX_DATABASE_BYTES} bytes`);
  }
  // SQLite reads files only; this one is of nobody's trust, and its own folder keeps it apart.
  const folder = await mkdtemp(join(spoolDir, 'rpm-'));
  try {
    const file = join(folder, 'rpmdb.sqlite');
    await pipeline(Readable.from(node.open()), createWriteStream(file, { mode: 0o600 }));
    return findVersion(file, path, name);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function findVersion(file: string, path: string, name: string): string | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file, { allowExtension: false });
    // A view could be anything, and take forever.
    const kind = database.prepare("SELECT type FROM sqlite_schema WHERE name = 'Packages'").get();
    if (kind?.type !== 'table') throw new TypeError('Packages is no table');
    for (const { blob } of database.prepare('SELECT blob FROM Packages').iterate()) {
      if (!(blob instanceof Uint8Array)) continue;
      const header = readHeader(Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength));
      if (header(TAG.name) !== name) continue;
      const release = header(TAG.release);
      const version = header(TAG.version);
      return version !== undefined && release !== undefined ? `${version}-${release}` : version;
    }
    return undefined;
  } catch (cause) {
    throw new SlipwayError('CONTENT_INVALID', `${path} of the image is no rpm database`, {
      side: 'source',
      cause,
    });
  } finally {
    database?.close();
  }
}

/** Reads the texts of a header: number of entries, bytes of data, entries, data. */
function readHeader(bytes: Buffer): (tag: number) => string | undefined {
  const count = bytes.readUInt32BE(0);
  if (count > MAX_ENTRIES) throw new RangeError('too many entries');
  const data = 8 + count * ENTRY_BYTES;
  return (tag) => {
    for (let at = 8; at < data; at += ENTRY_BYTES) {
      if (bytes.readUInt32BE(at) !== tag || bytes.readUInt32BE(at + 4) !== TYPE_STRING) continue;
      const start = data + bytes.readUInt32BE(at + 8);
      const end = bytes.indexOf(0, start);
      return start > bytes.length || end < 0 ? undefined : bytes.toString('utf8', start, end);
    }
    return undefined;
  };
}
