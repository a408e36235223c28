import { type Bytes, collect, type FileRange, readHandleBytes } from '../bytes/stream.ts';
import { TAR_BLOCK_BYTES } from '../bytes/tar-header.ts';
import { indexTar, type TarFile } from '../bytes/tar-index.ts';
import { safeParts, shownName } from '../bytes/tar-name.ts';
import type { FetchOptions, Signalled } from '../content/transport.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { ArchiveInput } from './input.ts';
import { notAnArchive } from './not-an-archive.ts';

/** The files of an archive, read where they are. */
export interface ArchiveFiles {
  /** the archive, for people */
  readonly name: string;
  readonly names: Iterable<string>;
  /** false if the archive may have been cut between two entries */
  readonly hasEndMarker: boolean;
  /**
   * The file of a name that stands in a document of the archive, or undefined.
   *
   * @throws SlipwayError `ARCHIVE_INVALID` for a name that leads out of the archive
   */
  find(name: string): TarFile | undefined;
  read(file: TarFile, options?: FetchOptions): Bytes;
  /**
   * A whole document. Where an archive has its name more than once, all must be the same.
   *
   * @throws SlipwayError `LIMIT_EXCEEDED`, `ARCHIVE_INVALID`
   */
  document(file: TarFile, maxBytes: number): Promise<Buffer>;
}

/**
 * Indexes an archive's tar file.
 *
 * @throws SlipwayError `ARCHIVE_INVALID`, `SIZE_MISMATCH`, `LIMIT_EXCEEDED`
 */
export async function openFiles(
  { handle, name, sizeBytes }: ArchiveInput,
  { signal }: Signalled = {},
): Promise<ArchiveFiles> {
  const { files, hasEndMarker } = await indexTar(handle, { what: name, sizeBytes, signal }).catch(
    async (error: unknown) => {
      const head = Buffer.alloc(Math.min(TAR_BLOCK_BYTES, sizeBytes));
      await handle.read(head, 0, head.byteLength, 0);
      if (isSlipwayError(error) && !isTarHeader(head)) throw notAnArchive(name, head);
      throw error;
    },
  );
  if (sizeBytes === 0) throw notAnArchive(name, new Uint8Array(0));
  const readAt = (start: number, length: number, how: FileRange = {}): Bytes =>
    readHandleBytes(handle, name, { ...how, start, length });
  return {
    name,
    names: files.keys(),
    hasEndMarker,
    find: (wanted) => files.get(safeParts(wanted, `${name}: one of its documents`).join('/')),
    async *read(file, { offset = 0, chunkBytes, into, signal } = {}) {
      const how = { chunkBytes, into };
      for await (const chunk of readAt(file.offset + offset, file.sizeBytes - offset, how)) {
        signal?.throwIfAborted();
        yield chunk;
      }
    },
    async document(file, maxBytes) {
      const what = `${name}: ${shownName(file.name)}`;
      const bytes = await collect(readAt(file.offset, file.sizeBytes), maxBytes, what);
      for (const offset of file.twinOffsets) {
        const twin = await collect(readAt(offset, file.sizeBytes), maxBytes, what);
        if (!twin.equals(bytes)) {
          throw new SlipwayError('ARCHIVE_INVALID', `${what} is there twice, and not as the same`, {
            path: name,
          });
        }
      }
      return bytes;
    },
  };
}

/** A header has its checksum as octal digits; nothing that isn't tar has them there. */
function isTarHeader(head: Buffer): boolean {
  return (
    head.byteLength === TAR_BLOCK_BYTES && /^ *[0-7]+[ \0]/.test(head.toString('latin1', 148, 156))
  );
}
