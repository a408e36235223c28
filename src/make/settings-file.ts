import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../bytes/stream.ts';
import { SlipwayError, systemCode } from '../errors.ts';
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
    if ((await stat(path)).size <= MAX_BYTES) return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(path, error);
  }
  throw new SlipwayError('CONFIG_INVALID', `${path} is larger than ${MAX_BYTES} bytes`, { path });
}
