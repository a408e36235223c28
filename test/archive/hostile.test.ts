import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { indexTar } from '../../src/bytes/tar-index.ts';
import { isSlipwayError } from '../../src/errors.ts';
import { RAW_END } from '../bytes/tar-fixture.ts';
import { dockerSave, layer, readAll, scratch } from './images.ts';

const FOLDER = new URL('../../../shared/vectors/tar-hostile/', import.meta.url);

interface Case {
  readonly file: string;
  readonly verdict: string;
  readonly why: string;
}

const isThere = existsSync(FOLDER);
const cases: readonly Case[] = isThere
  ? (JSON.parse(readFileSync(new URL('manifest.json', FOLDER), 'utf8')).cases as Case[]).filter(
      ({ file }) => existsSync(new URL(file, FOLDER)),
    )
  : [];

/** `accept…`: it can be read. All others must end in one of our errors. */
const isAccepted = ({ verdict }: Case) => verdict.startsWith('accept');

/** Documents of these are read by us as far as they are harmless. */
const HARMLESS = new Set(['d09-proto.tar']);

test('hostile: the corpus is there', {
  skip: isThere ? false : 'no corpus beside the checkout',
}, () => {
  assert.ok(cases.length > 60, `${cases.length} cases`);
});

for (const hostile of cases.filter(({ file }) => file.startsWith('t'))) {
  const path = new URL(hostile.file, FOLDER);

  test(`hostile: ${hostile.file}: ${hostile.why}`, async () => {
    const handle = await open(path);
    try {
      const { size } = await handle.stat();
      const work = indexTar(handle, { what: hostile.file, sizeBytes: size });
      if (isAccepted(hostile)) {
        const { files } = await work;
        const wanted = /name=(.*)/.exec(hostile.verdict)?.[1];
        if (wanted !== undefined) assert.deepEqual([...files.keys()], [wanted]);
        assert.ok(!files.has('second.txt'));
      } else await assert.rejects(work, (error) => isSlipwayError(error));
    } finally {
      await handle.close();
    }
  });

  test(`hostile: ${hostile.file} behind a whole image`, async (t) => {
    const made = join(await scratch(t), 'made.tar');
    const image = dockerSave([layer('a')], ['app:1']);
    await writeFile(made, Buffer.concat([...image, readFileSync(path)]));
    if (isAccepted(hostile)) assert.equal((await readAll(made)).length, 1);
    else await assert.rejects(readAll(made), (error) => isSlipwayError(error));
    // Behind the end of the archive it is nobody's business.
    await writeFile(made, Buffer.concat([...image, RAW_END, readFileSync(path)]));
    assert.equal((await readAll(made)).length, 1);
  });
}

for (const hostile of cases.filter(({ file }) => /^[doz]/.test(file))) {
  test(`hostile: ${hostile.file}: ${hostile.why}`, async () => {
    const work = readAll(new URL(hostile.file, FOLDER).pathname);
    if (!HARMLESS.has(hostile.file)) {
      await assert.rejects(work, (error) => isSlipwayError(error));
      return;
    }
    await work;
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  });
}
