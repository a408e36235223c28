import { isSlipwayError, SlipwayError } from '../errors.ts';
import { readSmallFile } from '../layout/files.ts';

/**
 * Reads a file of a project whole. A project can hold anything: a pipe would never end.
 *
 * @param shown its name, for errors
 * @throws SlipwayError `FILE_NOT_FOUND`, `LIMIT_EXCEEDED`, `CONFIG_INVALID` for what is no file
 */
export async function readProjectFile(
  path: string,
  maxBytes: number,
  shown: string,
): Promise<Buffer> {
  const bytes = await readSmallFile(path, maxBytes).catch((error: unknown) => {
    if (!isSlipwayError(error, 'ARCHIVE_INVALID')) throw error;
    throw new SlipwayError('CONFIG_INVALID', `${shown} is no regular file`, { path });
  });
  if (bytes !== undefined) return bytes;
  throw new SlipwayError('FILE_NOT_FOUND', `${path} is not there`, { path });
}
