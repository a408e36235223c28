import { constants } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import { fileError } from '../bytes/stream.ts';
import { SlipwayError, systemCode } from '../errors.ts';

/**
 * The folder of the local store and its tables: `$SLIPWAY_HOME`, else `$XDG_DATA_HOME/slipway`,
 * else `~/.local/share/slipway`. An empty variable counts as unset, and so does a relative
 * `XDG_DATA_HOME` (XDG Base Directory Specification).
 */
export function slipwayHome(
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  if (env.SLIPWAY_HOME) return resolve(env.SLIPWAY_HOME);
  const data = env.XDG_DATA_HOME;
  if (data && isAbsolute(data)) return join(data, 'slipway');
  return join(env.HOME || homedir(), '.local', 'share', 'slipway');
}

/**
 * Makes the folder, for its owner alone (0700), and gives its path back.
 *
 * @throws SlipwayError `CONFIG_INVALID` if it belongs to another user, `FILE_NOT_FOUND`, `NO_SPACE`
 */
export async function ensureHome(dir: string = slipwayHome()): Promise<string> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 }).catch((cause) => {
      // What is there is looked at below.
      if (systemCode(cause) !== 'EEXIST') throw cause;
    });
    // Looked at and changed through a handle: a path could be exchanged in between.
    const handle = await open(dir, constants.O_RDONLY | (constants.O_DIRECTORY ?? 0));
    try {
      const { uid, mode } = await handle.stat();
      if (process.getuid !== undefined && uid !== process.getuid()) throw foreign(dir, uid);
      if (process.getuid !== undefined && (mode & 0o077) !== 0) await handle.chmod(0o700);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw fileError(dir, cause);
  }
  return dir;
}

function foreign(dir: string, uid: number): SlipwayError {
  return new SlipwayError('CONFIG_INVALID', `${dir} belongs to another user (uid ${uid})`, {
    path: dir,
    hint: 'set SLIPWAY_HOME to a folder of your own',
  });
}
