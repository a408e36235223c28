import { readdir } from 'node:fs/promises';
import { SlipwayError } from '../errors.ts';

/** Kinds of files that people hand in by mistake, by how they begin. */
const KINDS: ReadonlyArray<readonly [RegExp, string, string?]> = [
  [/^$/, 'it is empty', 'the command that should have written it may have failed'],
  [/^\x7fELF/, 'it is a program (ELF)'],
  [/^PK\x03\x04/, 'it is a zip file'],
  [/^\xfd7zXZ/, 'it is packed with xz', 'unpack it first: xz -d FILE'],
  [/^BZh/, 'it is packed with bzip2', 'unpack it first: bzip2 -d FILE'],
  [/^\x1f\x8b/, 'it is gzip inside gzip', 'unpack one level first: gzip -d FILE'],
  [/^\x28\xb5\x2f\xfd/, 'it is packed with zstd twice', 'unpack one level first: zstd -d FILE'],
  [
    /^\s*<(?:!doctype|html|\?xml)/i,
    'it is a web page',
    'a download may have answered with an error page; look at what the file says',
  ],
  [/^\s*[{[]/, 'it is JSON', 'a download may have answered with an error; look at what it says'],
  [/^[\t\n\r\x20-\x7e]+$/, 'it is text'],
];

/** The error for bytes that no tar archive begins with. */
export function notAnArchive(name: string, head: Uint8Array): SlipwayError {
  const text = Buffer.from(head.subarray(0, 256)).toString('latin1');
  const [, what = 'it is no tar file', hint] = KINDS.find(([start]) => start.test(text)) ?? [];
  return new SlipwayError('ARCHIVE_INVALID', `${name} is no image archive: ${what}`, {
    path: name,
    hint: hint ?? 'an image archive is what docker save, podman save or skopeo write',
  });
}

/** The error for a folder where a file was wanted. */
export async function folderIsNoArchive(path: string): Promise<SlipwayError> {
  const names = await readdir(path).catch((): string[] => []);
  return new SlipwayError('ARCHIVE_INVALID', `${path} is a folder, and an archive is a file`, {
    path,
    hint: names.includes('oci-layout')
      ? `it is an OCI layout: write oci:${path}`
      : 'name a file that docker save, podman save or skopeo wrote',
  });
}

/** The error for a tar archive without an image, with what may have gone wrong. */
export function holdsNoImage(name: string, names: Iterable<string>): SlipwayError {
  let hint = 'an image archive is what docker save, podman save or skopeo write';
  for (const entry of names) {
    if (/^[^/]+\/(?:index|manifest)\.json$/.test(entry)) {
      hint = 'its files stand in a folder; pack them from inside: tar -C FOLDER -cf FILE .';
    } else if (/^(?:bin\/sh|etc\/passwd)$/.test(entry)) {
      hint = 'it looks like a root file system (docker export); an image comes from docker save';
    }
  }
  return new SlipwayError(
    'ARCHIVE_INVALID',
    `${name} holds no image: neither index.json nor manifest.json is in it`,
    { path: name, hint },
  );
}
