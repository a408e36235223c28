import { join } from 'node:path';
import { collect, readFileBytes } from '../bytes/stream.ts';
import { isSlipwayError, SlipwayError, systemCode } from '../errors.ts';
import type { MakeSettings } from './settings.ts';

const FILE = 'slipway.yaml';
const MAX_BYTES = 256 * 1024;

/**
 * Reads what stands under `make:` in a folder's `slipway.yaml`; nothing if there is no such file.
 *
 * @throws SlipwayError `CONFIG_INVALID` with line and column
 */
export async function readMakeSettings(folder: string): Promise<MakeSettings> {
  const path = join(folder, FILE);
  const text = await readSmall(path);
  if (text === undefined) return {};
  // Loaded only here: most calls have no such file.
  const { parseMakeSettings } = await import('./settings-document.ts');
  return parseMakeSettings(text, path);
}

async function readSmall(path: string): Promise<string | undefined> {
  try {
    // A file may be a link to a device, which has no size and no end.
    return (await collect(readFileBytes(path), MAX_BYTES, path)).toString('utf8');
  } catch (error) {
    if (isSlipwayError(error, 'FILE_NOT_FOUND') && systemCode(error.cause) === 'ENOENT') {
      return undefined;
    }
    if (!isSlipwayError(error, 'LIMIT_EXCEEDED')) throw error;
    const message = `${path} is larger than ${MAX_BYTES} bytes`;
    throw new SlipwayError('CONFIG_INVALID', message, { path });
  }
}
