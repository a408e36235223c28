import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { environment, volumes } from '../../src/cli/run-flags.ts';
import { isSlipwayError } from '../../src/errors.ts';
import { tempDir } from '../rig/lifetime.ts';

test('variables are read as docker reads them', async (t) => {
  const file = path.join(await tempDir(t), 'list');
  await writeFile(file, '\ufeffA=1\r\n  # no\r\n\r\nB= two \r\nOURS\r\nNONE\r\nC=a=b\r\n');
  assert.deepEqual(await environment(['A=2', 'OURS', 'NONE', 'E='], [file], { OURS: 'x' }), [
    'A=1',
    'B= two ',
    'OURS=x',
    'C=a=b',
    'A=2',
    'OURS=x',
    'E=',
  ]);
});

test('what is no variable is refused, and said where it stands', async (t) => {
  const file = path.join(await tempDir(t), 'list');
  await writeFile(file, 'A=1\nB C=2\n');
  for (const [words, files, text] of [
    [['=x'], [], /--env: "" is no name/],
    [[], [file], /list, line 2: "B C" is no name/],
  ] as const) {
    await assert.rejects(
      environment(words, files),
      (error: unknown) => isSlipwayError(error, 'USAGE') && text.test(error.message),
    );
  }
  await assert.rejects(environment([], [`${file}.none`]), (error: unknown) =>
    isSlipwayError(error, 'FILE_NOT_FOUND'),
  );
});

test('folders named from here are spelled out, volumes and absolute paths stay', () => {
  const here = process.cwd();
  assert.deepEqual(volumes(['.:/a', './b:/b:ro', '../c:/c', 'named:/d', '/e:/e', '.hidden:/f']), [
    `${here}:/a`,
    `${here}/b:/b:ro`,
    `${path.dirname(here)}/c:/c`,
    'named:/d',
    '/e:/e',
    '.hidden:/f',
  ]);
});
