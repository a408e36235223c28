import type { Readable } from 'node:stream';
import { collect } from '../bytes/stream.ts';
import { SlipwayError } from '../errors.ts';

const MAX_PASSWORD_BYTES = 64 * 1024;

/**
 * Reads a password to the end of a stream. One line end is not a part of it: `echo` adds it.
 *
 * @throws SlipwayError `USAGE` for nothing but space, `LIMIT_EXCEEDED`
 */
export async function readPassword(stream: Readable, signal: AbortSignal): Promise<string> {
  const onAbort = () => stream.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  let bytes: Buffer;
  try {
    bytes = await collect(stream, MAX_PASSWORD_BYTES, 'the password');
  } finally {
    signal.removeEventListener('abort', onAbort);
    signal.throwIfAborted();
  }
  const password = bytes.toString('utf8').replace(/(?:\r\n|\n|\r)$/, '');
  if (password.trim() === '') throw new SlipwayError('USAGE', 'password is empty');
  return password;
}
