import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../bytes/stream.ts';
import { SlipwayError } from '../errors.ts';
import { parseJsonObject } from '../oci/json.ts';
import { readSmallFile, replaceFile, syncFolder, unlessMissing, writeError } from './files.ts';
import type { IndexFile } from './index-json.ts';
import type { Workspace } from './workspace.ts';

const MARKER_FILE = 'oci-layout';
const MARKER_BYTES = 4096;
const VERSION = '1.0.0';

/**
 * Makes sure that a folder is a layout (image-spec, image-layout.md "oci-layout file").
 *
 * @throws SlipwayError `FILE_NOT_FOUND`, `ARCHIVE_INVALID`
 */
export async function checkMarker(dir: string): Promise<void> {
  if (await hasMarker(dir)) return;
  const found = await statFolder(dir);
  if (found === undefined) {
    throw new SlipwayError('FILE_NOT_FOUND', `${dir}: no such folder`, { path: dir });
  }
  throw new SlipwayError('ARCHIVE_INVALID', `${dir} is no OCI image layout: it has no oci-layout`, {
    path: dir,
    hint: 'name a folder that a tool wrote as oci:DIR, or an archive as oci-archive:FILE',
  });
}

/**
 * Makes a folder an empty layout, unless it is a layout already.
 *
 * @throws SlipwayError `ARCHIVE_INVALID`, `FILE_NOT_FOUND`, `NO_SPACE`
 */
export async function createLayout(workspace: Workspace, index: IndexFile): Promise<void> {
  const { dir, dirMode, fileMode } = workspace;
  if (await hasMarker(dir)) return;
  try {
    await mkdir(dir, { recursive: true, mode: dirMode });
  } catch (cause) {
    throw writeError(dir, cause);
  }
  await workspace.locked(async () => {
    if (await hasMarker(dir)) return;
    try {
      await mkdir(join(dir, 'blobs', 'sha256'), { recursive: true, mode: dirMode });
    } catch (cause) {
      throw writeError(dir, cause);
    }
    await index.create();
    // Last: a folder with the marker is a whole layout, at whatever moment we are killed.
    const marker = Buffer.from(JSON.stringify({ imageLayoutVersion: VERSION }));
    await replaceFile(join(dir, MARKER_FILE), workspace.indexDraft, marker, fileMode);
    await syncFolder(dir);
  });
}

async function hasMarker(dir: string): Promise<boolean> {
  const path = join(dir, MARKER_FILE);
  if ((await statFolder(dir)) === undefined) return false;
  const bytes = await readSmallFile(path, MARKER_BYTES);
  if (bytes === undefined) return false;
  if (versionOf(bytes, path) === VERSION) return true;
  throw new SlipwayError('ARCHIVE_INVALID', `${path} has no imageLayoutVersion ${VERSION}`, {
    path,
    hint: 'no other version of OCI layouts is known',
  });
}

function versionOf(bytes: Buffer, path: string): unknown {
  try {
    return parseJsonObject(bytes, path, MARKER_BYTES).imageLayoutVersion;
  } catch {
    return undefined;
  }
}

async function statFolder(dir: string) {
  try {
    const found = await unlessMissing(stat(dir));
    if (found === undefined || found.isDirectory()) return found;
  } catch (cause) {
    throw fileError(dir, cause);
  }
  throw new SlipwayError('ARCHIVE_INVALID', `${dir} is a file, and a layout is a folder`, {
    path: dir,
    hint: 'archives are named as oci-archive:FILE or docker-archive:FILE',
  });
}
