import { randomUUID } from 'node:crypto';
import { readdir, stat, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { systemCode } from '../errors.ts';

/** A draft that was not written to for so long has nobody who writes it. */
const QUIET_MS = 10 * 60 * 1000;
const NAME_LENGTH = 100;

/** A hidden name beside `path`, for this process alone, that tells later ones whose it was. */
export function draftPath(path: string): string {
  const name = `${draftPrefix(path)}${process.pid}-${randomUUID()}.part`;
  return join(dirname(path), name);
}

function draftPrefix(path: string): string {
  const host = hostname().replace(/[^A-Za-z0-9.-]/g, '');
  return `.${basename(path).slice(0, NAME_LENGTH)}.${host.slice(0, NAME_LENGTH)}-`;
}

/** Removes drafts of `path` that processes of this machine left behind when they were killed. */
export async function removeDeadDrafts(path: string): Promise<void> {
  const dir = dirname(path);
  const prefix = draftPrefix(path);
  // A folder that can't be listed can still take a file.
  const names = await readdir(dir).catch((): string[] => []);
  for (const name of names) {
    if (!name.startsWith(prefix)) continue;
    const pid = /^([1-9][0-9]{0,9})-[0-9a-f-]{36}\.part$/.exec(name.slice(prefix.length))?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const draft = join(dir, name);
    const found = await stat(draft).catch(() => undefined);
    // The process may live where we can't see it, in a container with the same host name.
    if (found === undefined || Date.now() - found.mtimeMs < QUIET_MS) continue;
    await unlink(draft).catch(() => {});
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemCode(error) !== 'ESRCH';
  }
}
