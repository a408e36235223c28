import assert from 'node:assert/strict';
import { chmod, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { tempDir } from '../rig/lifetime.ts';
import { MAIN } from '../rig/main.ts';
import { run } from '../rig/programs.ts';

const skip = process.env.SLIPWAY_TEST_PROGRAM === undefined && 'only the built command keeps code';

async function scene(t: TestContext) {
  const folder = await tempDir(t);
  const env = { HOME: folder, XDG_CACHE_HOME: path.join(folder, 'cache') };
  return {
    cache: env.XDG_CACHE_HOME,
    slipway: (args: readonly string[], more: Readonly<Record<string, string>> = {}) =>
      run(process.execPath, ['--', MAIN, ...args], { env: { ...env, ...more } }),
    /** Files of compiled code, and which they are: a file that was written anew is another one. */
    kept: async () => {
      const found = await readdir(env.XDG_CACHE_HOME, { recursive: true }).catch(() => []);
      const files = found.filter((file) => path.basename(file).startsWith('slipway-'));
      return await Promise.all(
        files.map(async (file) => {
          const at = path.join(env.XDG_CACHE_HOME, file);
          return { at, command: file.split('-').at(-1), ino: (await stat(at)).ino };
        }),
      );
    },
  };
}

test('a command keeps its compiled code, once', { skip }, async (t) => {
  const { slipway, kept } = await scene(t);
  assert.equal((await slipway(['images'])).code, 0);
  const [first, ...more] = await kept();
  assert.deepEqual([first?.command, more], ['images', []]);
  for (const args of [['images'], ['-D', 'images']]) {
    const { code, stderr } = await slipway(args);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
  }
  assert.deepEqual(await kept(), [first]);
});

test('code that was damaged is replaced, and the command works', { skip }, async (t) => {
  const { slipway, kept } = await scene(t);
  const { stdout } = await slipway(['images']);
  const [first] = await kept();
  assert.ok(first !== undefined);
  await writeFile(first.at, Buffer.alloc((await stat(first.at)).size, 1));
  assert.equal((await slipway(['images'])).stdout, stdout);
  assert.notDeepEqual(await kept(), [first]);
});

test('code that others could have written is neither run nor left there', { skip }, async (t) => {
  const { slipway, kept } = await scene(t);
  await slipway(['images']);
  const [first] = await kept();
  assert.ok(first !== undefined);
  await chmod(first.at, 0o666);
  assert.equal((await slipway(['images'])).code, 0);
  assert.notDeepEqual(await kept(), [first]);
  assert.equal((await stat(first.at)).mode & 0o777, 0o600);
});

test('nothing is kept in a folder that others can write', { skip }, async (t) => {
  const { slipway, kept, cache } = await scene(t);
  await slipway(['images']);
  const before = await kept();
  for (const folder of [path.join(cache, 'slipway'), path.join(cache, 'slipway/compile')]) {
    await chmod(folder, 0o770);
    assert.equal((await slipway(['ls', '--help'])).code, 0);
    assert.deepEqual(await kept(), before);
    await chmod(folder, 0o700);
  }
});

test('what fails or asks for no command keeps nothing, and neither does who wants none', {
  skip,
}, async (t) => {
  const { slipway, kept } = await scene(t);
  await slipway(['--version']);
  await slipway(['nonsense']);
  await slipway(['inspect', 'localhost:1/nothing']);
  await slipway(['../images']);
  await slipway(['images'], { NODE_DISABLE_COMPILE_CACHE: '1' });
  assert.deepEqual(await kept(), []);
});
