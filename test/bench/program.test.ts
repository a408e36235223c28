import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { tempDir } from '../rig/lifetime.ts';
import { MAIN } from '../rig/main.ts';
import { findProgram, missing, run } from '../rig/programs.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const needs = missing('docker-registry', 'curl');

/** Cells of a table's row, by the name in its first column. */
function rowsOf(markdown: string): ReadonlyMap<string, readonly string[]> {
  const rows = markdown
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
  return new Map(rows.map(([name = '', ...cells]) => [name, cells]));
}

async function bench(folder: string, args: readonly string[]) {
  const main = path.join(ROOT, 'bench/main.ts');
  return await run(process.execPath, [main, '--quick', '--program', MAIN, ...args], {
    env: { HOME: folder, TMPDIR: folder },
  });
}

test('the benchmark measures tiny images and leaves nothing but them behind', {
  skip: needs,
}, async (t) => {
  const folder = await tempDir(t);
  const [images, out] = [path.join(folder, 'images'), path.join(folder, 'out.md')];
  const args = ['--images', images, '--out', out, '--peers', 'skopeo', '--date', '2026-01-02'];
  const { code, stdout, stderr } = await bench(folder, [...args, 'layout']);
  assert.equal(code, 0, stderr);
  const written = await readFile(out, 'utf8');
  assert.equal(written.trim(), stdout.trim());
  assert.match(written, /2026-01-02/);
  const rows = rowsOf(written);
  const names = ['slipway', 'floor: parallel curl'];
  if (findProgram('skopeo')) names.push('skopeo');
  for (const name of names) {
    const [seconds = '', , , requests = ''] = rows.get(name) ?? [];
    assert.match(seconds, /^[0-9.]+ \([0-9.]+–[0-9.]+\)$/, name);
    assert.match(requests, /^[1-9][0-9]*$/, name);
  }
  const left = (await readdir(folder)).filter((name) => name !== '.cache');
  assert.deepEqual(left.sort(), ['images', 'out.md']);
});

test('a case or number that is not one ends the benchmark before it begins', async (t) => {
  const folder = await tempDir(t);
  for (const [args, what] of [
    [['nothing-of-the-kind'], /no case nothing-of-the-kind/],
    [['--rounds', '0'], /--rounds takes a number above 0/],
    [['--no-such-flag'], /no-such-flag/],
  ] as const) {
    const { code, stdout, stderr } = await bench(folder, args);
    assert.equal(code, 2);
    assert.equal(stdout, '');
    assert.match(stderr, what);
  }
  assert.deepEqual(await readdir(folder), []);
});
