import assert from 'node:assert/strict';
import { mkdir, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { missing, mustRun } from '../rig/programs.ts';
import { layer, ociImage, readAll, scratch, sha256 } from './images.ts';

const A = layer('a');
const IMAGE = ociImage([A]);

/** How programs that are at hand write archives. */
const WAYS: Readonly<Record<string, readonly string[]>> = {
  'GNU tar, its own format': ['tar', '--format=gnu'],
  'GNU tar, its old format': ['tar', '--format=oldgnu'],
  'GNU tar, pax': ['tar', '--format=pax', '--pax-option=delete=atime'],
  'GNU tar, pax with all times': ['tar', '--format=pax', '--atime-preserve'],
  'GNU tar, ustar': ['tar', '--format=ustar'],
  'GNU tar, v7': ['tar', '--format=v7'],
  'GNU tar, before 1970': ['tar', '--format=gnu', '--mtime=@-86400'],
  'GNU tar, pax before 1970': ['tar', '--format=pax', '--mtime=@-86400.5'],
  'GNU tar, large numbers of owners': [
    'tar',
    '--format=gnu',
    '--owner=:3000000',
    '--group=:4294967294',
  ],
  'busybox tar': ['busybox', 'tar'],
};

for (const [way, [program = '', ...args]] of Object.entries(WAYS)) {
  test(`an image that ${way} has packed is read`, {
    skip: missing(program),
  }, async (t) => {
    const dir = await scratch(t);
    const root = join(dir, 'root');
    const files: Record<string, Buffer> = {};
    for (const bytes of [A, IMAGE.config, IMAGE.manifest]) {
      files[`blobs/sha256/${sha256(bytes)}`] = bytes;
    }
    const index = { schemaVersion: 2, manifests: [IMAGE.descriptor] };
    files['oci-layout'] = Buffer.from('{"imageLayoutVersion":"1.0.0"}');
    files['index.json'] = Buffer.from(JSON.stringify(index));
    for (const [name, bytes] of Object.entries(files)) {
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), bytes);
      await utimes(join(root, name), 1e9 + 0.123, 1e9 + 0.456);
    }
    for (const what of ['.', ...(program === 'busybox' ? [] : ['blobs'])]) {
      const file = join(dir, 'made.tar');
      const more = what === '.' ? [] : ['oci-layout', 'index.json'];
      await mustRun(program, [...args, '-cf', file, '-C', root, what, ...more]);
      assert.deepEqual(await readAll(file), [IMAGE.descriptor.digest]);
    }
  });
}
