import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, open, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileError } from '../bytes/stream.ts';
import { SlipwayError, systemCode } from '../errors.ts';
import { readSmallFile } from '../layout/files.ts';

/** The key file in a project's folder. */
export const KEY_FILE = 'codeship.aes';

const KEY_BYTES = 32;
const MAX_KEY_FILE_BYTES = 1024;

/** Where jet before 0.8.0 had the keys of all projects, from the home folder. */
const OLD_KEY_FILE = '.codeship/keys/aes/key.key';

/** The key file of a project's folder, or the old one of all projects where that is the only one. */
export async function findKey(dir: string): Promise<string> {
  const own = join(dir, KEY_FILE);
  const old = join(process.env.HOME || homedir(), OLD_KEY_FILE);
  const isThere = async (path: string) =>
    await access(path).then(
      () => true,
      () => false,
    );
  return !(await isThere(own)) && (await isThere(old)) ? old : own;
}

/**
 * Reads a key file: base64 of 32 bytes, on one line.
 *
 * @param warn is told that others can read it
 * @throws SlipwayError `FILE_NOT_FOUND` if there is none, `CONFIG_INVALID` if it holds no key; its
 * text is never shown
 */
export async function readKey(path: string, warn: (message: string) => void): Promise<Buffer> {
  const bytes = await readSmallFile(path, MAX_KEY_FILE_BYTES);
  if (bytes === undefined) {
    throw new SlipwayError('FILE_NOT_FOUND', `No AES key provided: ${path} is not there`, {
      path,
      hint: `put the project's key there, or name it with --key-path; slipway jet generate makes a new one`,
    });
  }
  const text = bytes.toString('latin1').trim();
  const key = Buffer.from(text, 'base64');
  if (key.byteLength !== KEY_BYTES || key.toString('base64') !== text) {
    throw new SlipwayError('CONFIG_INVALID', `${path} holds no AES key`, {
      path,
      hint: 'a key file is one line: the base64 of 32 bytes, as slipway jet generate writes it',
    });
  }
  if (process.platform !== 'win32') {
    const { mode } = await stat(path);
    if ((mode & 0o044) !== 0) warn(`${path} can be read by others; mend it with chmod 600`);
  }
  return key;
}

/**
 * Makes a key file that only its owner can read. One that is there is never replaced.
 *
 * @throws SlipwayError `CONFIG_INVALID` if a file is there, `FILE_NOT_FOUND`, `NO_SPACE`
 */
export async function generateKey(path: string): Promise<void> {
  const { O_CREAT, O_EXCL, O_WRONLY } = constants;
  try {
    const handle = await open(path, O_CREAT | O_EXCL | O_WRONLY, 0o600);
    try {
      await handle.chmod(0o600);
      await handle.writeFile(`${randomBytes(KEY_BYTES).toString('base64')}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (cause) {
    if (systemCode(cause) !== 'EEXIST') throw fileError(path, cause);
    throw new SlipwayError('CONFIG_INVALID', `${path} is there already`, {
      path,
      hint: 'what it encrypted could be read by nobody; move it away first, or name another file',
    });
  }
}
