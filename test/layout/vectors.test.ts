import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { access, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { collect } from '../../src/bytes/stream.ts';
import { walk } from '../../src/content/graph.ts';
import { verifiedBytes } from '../../src/content/verify.ts';
import { openLayout } from '../../src/layout/layout.ts';
import { tempFolder } from '../state/folders.ts';

const VECTORS = fileURLToPath(new URL('../../../shared/vectors/tar-hostile/', import.meta.url));

/** Archives of layouts, and what reading all of each comes to. */
const VERDICTS: readonly [string, readonly string[]][] = [
  ['o01-digest-path', ['CONTENT_INVALID']],
  ['o02-digest-algo', ['CONTENT_INVALID']],
  ['o03-digest-upper', ['CONTENT_INVALID']],
  ['o04-digest-unknown', ['CONTENT_INVALID']],
  ['o05-ambiguous', ['CONTENT_INVALID']],
  ['o06-mediatype-lie', ['CONTENT_INVALID']],
  ['o07-size-lie', ['SIZE_MISMATCH']],
  ['o08-size-negative', ['CONTENT_INVALID']],
  ['o09-blob-wrong', ['DIGEST_MISMATCH']],
  ['o10-index-nest64', ['LIMIT_EXCEEDED']],
  ['o13-data-mismatch', ['CONTENT_INVALID']],
];

test('hostile layouts are refused for the right reason', async (t) => {
  const isThere = await access(VECTORS).then(
    () => true,
    () => false,
  );
  if (!isThere) return t.skip('the collection of hostile archives is not here');
  for (const [name, codes] of VERDICTS) {
    const dir = join(await tempFolder(t), name);
    await mkdir(dir);
    await promisify(execFile)('tar', ['-xf', join(VECTORS, `${name}.tar`), '-C', dir]);
    const readAll = async () => {
      const layout = await openLayout(dir);
      for (const entry of await layout.entries()) {
        for (const blob of (await walk(layout, entry)).blobs) {
          await collect(verifiedBytes(blob, layout.fetch(blob)), 1e7, name);
        }
      }
    };
    await assert.rejects(readAll, (error: { code?: string }) => {
      assert.ok(codes.includes(error.code ?? ''), `${name}: ${error}`);
      return true;
    });
  }
});
