import { printable } from './printable.ts';
import { invalidTar } from './tar-header.ts';

const MAX_NAME_BYTES = 4096;
const MAX_PARTS = 64;

/**
 * The parts of a name inside an archive, `.` and repeated slashes left out; the root has none.
 *
 * @param where names what holds the name, in errors
 * @throws SlipwayError `ARCHIVE_INVALID` for a name that is empty, absolute, climbs (`..`), names a
 * drive or holds a backslash: on some machine it would mean a place outside the archive
 */
export function safeParts(name: string, where: string): readonly string[] {
  if (name === '') throw invalidTar(where, 'has an empty name');
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw invalidTar(where, `has a name longer than ${MAX_NAME_BYTES} bytes`);
  }
  if (name === '/') return [];
  if (name.startsWith('/') || /^[A-Za-z]:/.test(name) || /[\\\0]/.test(name)) {
    throw invalidTar(where, 'has a name that leads out of the archive');
  }
  const parts = name.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) {
    throw invalidTar(where, 'has a name that leads out of the archive');
  }
  if (parts.length > MAX_PARTS) {
    throw invalidTar(where, `has a name of more than ${MAX_PARTS} parts`);
  }
  return parts;
}

/**
 * Where a symbolic link in `folder` points to, worked out on the names alone.
 *
 * @throws SlipwayError `ARCHIVE_INVALID` if it leaves the archive
 */
export function linkTarget(
  folder: readonly string[],
  linkName: string,
  where: string,
): readonly string[] {
  const parts = [...folder];
  const refused = () =>
    invalidTar(where, `is a link to ${shownName(linkName)}, which leads out of the archive`);
  if (linkName === '' || linkName.startsWith('/') || /[\\\0]|^[A-Za-z]:/.test(linkName)) {
    throw refused();
  }
  for (const part of linkName.split('/')) {
    if (part === '..') {
      if (parts.pop() === undefined) throw refused();
    } else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts;
}

/** A name from outside, quoted and made safe to print. */
export function shownName(name: string): string {
  return JSON.stringify(printable(name, 120));
}
