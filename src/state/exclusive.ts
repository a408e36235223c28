import { lstat, open } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { fileError } from '../bytes/stream.ts';
import { SlipwayError, systemCode } from '../errors.ts';

/** An exclusive hold on a file. The kernel ends it when the process dies, however it dies. */
export interface Hold {
  release(): void;
}

const SQLITE_BUSY = 5;

/**
 * Tries once, without waiting, to hold an empty file exclusively; undefined if somebody else holds
 * it. The file stays empty and must never be opened by other means in a process that may hold it:
 * POSIX drops a process's locks on a file when any of its handles to that file is closed.
 *
 * @throws SlipwayError `CONFIG_INVALID` if what is there isn't such a file, `FILE_NOT_FOUND` if it
 * can't be opened, `NO_SPACE`
 */
export async function tryHold(path: string): Promise<Hold | undefined> {
  await ensureEmptyFile(path);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { timeout: 0 });
    // In memory: a journal file would need space, and stay behind after a kill.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (cause) {
    database?.close();
    if (sqliteCode(cause) === SQLITE_BUSY) return undefined;
    throw new SlipwayError('FILE_NOT_FOUND', `${path} can't be locked`, {
      path,
      hint: 'the folder must be writable, and its file system must support locks',
      cause,
    });
  }
  const held = database;
  holding.add(held);
  return {
    release() {
      if (holding.delete(held)) held.close();
    },
  };
}

// A database that nobody refers to is closed by the garbage collector, and its lock with it.
const holding = new Set<DatabaseSync>();

/** SQLite's own result code of what was thrown, or undefined. */
export function sqliteCode(error: unknown): number | undefined {
  if (systemCode(error) !== 'ERR_SQLITE_ERROR') return undefined;
  // Extended codes hold the primary one in their lowest byte.
  return (error as { errcode: number }).errcode & 0xff;
}

/**
 * A folder may come from a stranger: SQLite is never let near a file with content (a prepared
 * journal can make it write and delete elsewhere) nor near a link.
 */
async function ensureEmptyFile(path: string): Promise<void> {
  for (;;) {
    try {
      const found = await lstat(path);
      if (found.isFile() && found.size === 0) return;
    } catch (cause) {
      if (systemCode(cause) !== 'ENOENT') throw fileError(path, cause);
      if (await createEmpty(path)) return;
      continue;
    }
    throw new SlipwayError('CONFIG_INVALID', `${path} is not a lock file of slipway`, {
      path,
      hint: 'a lock is an empty regular file; remove what is there',
    });
  }
}

async function createEmpty(path: string): Promise<boolean> {
  try {
    await (await open(path, 'wx')).close();
    return true;
  } catch (cause) {
    if (systemCode(cause) === 'EEXIST') return false;
    throw fileError(path, cause);
  }
}
