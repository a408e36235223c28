import { type FileHandle, lstat, mkdir, open, readlink, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileError } from '../bytes/stream.ts';
import { SlipwayError, systemCode } from '../errors.ts';
import { withLock } from '../state/lock.ts';
import { parseDockerConfig, readConfigText } from './docker-config.ts';

export interface EditOptions {
  readonly signal?: AbortSignal | undefined;
  /** is told what else was changed */
  readonly warn?: (message: string) => void;
}

const EMPTY = '{}';

/**
 * Changes the text of a docker config file; one that isn't there is made. Other Slipways wait for
 * their turn, readers see the old text or the new one, and a killed process leaves one of them. The
 * file stays its owner's and becomes readable by nobody else. A link is followed once, as docker does.
 *
 * @param edit gives the new text; the old one was found valid
 * @throws SlipwayError `CONFIG_INVALID`, `FILE_NOT_FOUND`, `NO_SPACE`
 */
export async function editConfigFile(
  path: string,
  edit: (text: string) => string,
  { signal, warn }: EditOptions = {},
): Promise<void> {
  try {
    const target = await followOnce(path);
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    await withLock(`${target}.slipway-lock`, () => replace(target, edit, warn), { signal });
  } catch (cause) {
    throw fileError(path, cause);
  }
}

async function followOnce(path: string): Promise<string> {
  if (!(await isLink(path))) return path;
  const target = resolve(dirname(path), await readlink(path));
  if (!(await isLink(target))) return target;
  throw new SlipwayError('CONFIG_INVALID', `${path} is a link to a link`, {
    path,
    hint: 'let it lead to the file itself',
  });
}

async function isLink(path: string): Promise<boolean> {
  return (await present(lstat(path)))?.isSymbolicLink() === true;
}

async function replace(
  target: string,
  edit: (text: string) => string,
  warn: EditOptions['warn'],
): Promise<void> {
  const old = await present(lstat(target));
  const isOthers =
    old !== undefined && process.getuid !== undefined && old.uid !== process.getuid();
  if (isOthers && process.getuid?.() !== 0) {
    throw new SlipwayError('CONFIG_INVALID', `${target} belongs to another user (uid ${old.uid})`, {
      path: target,
      hint: 'point DOCKER_CONFIG at a folder of your own',
    });
  }
  const bytes = await readConfigText(target);
  parseDockerConfig(bytes ?? new Uint8Array(), target);
  const found = Buffer.from(bytes ?? []).toString('utf8');
  const text = found.trim() === '' ? EMPTY : found;
  const changed = edit(text);
  const isOpen = old !== undefined && process.platform !== 'win32' && (old.mode & 0o077) !== 0;
  if (changed === text && !isOpen) return;
  // The lock is ours: what stands there is left of somebody who was killed.
  const temporary = `${target}.slipway-tmp`;
  await rm(temporary, { force: true });
  try {
    const handle = await open(temporary, 'wx', 0o600);
    try {
      // Whatever the umask says.
      await handle.chmod(0o600);
      if (isOthers) await handle.chown(old.uid, old.gid);
      await handle.writeFile(changed);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
  await syncFolder(dirname(target));
  if (isOpen) {
    warn?.(`${target} was open to others; from now on only its owner can read it`);
  }
}

/** The rename itself should survive a power cut; where folders can't be synced it mostly does. */
async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(join(folder, '.'), 'r');
    await handle.sync();
  } catch {
    // The file is in place.
  } finally {
    await handle?.close();
  }
}

/** Undefined for what isn't there. */
async function present<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (cause) {
    if (systemCode(cause) === 'ENOENT') return undefined;
    throw cause;
  }
}
