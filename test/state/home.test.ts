import assert from 'node:assert/strict';
import { chmod, chown, mkdir, stat, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { ensureHome, slipwayHome } from '../../src/state/home.ts';
import { tempFolder } from './folders.ts';

test('the home is SLIPWAY_HOME, else below XDG_DATA_HOME, else below the home folder', () => {
  const below = (dir: string) => join(dir, '.local', 'share', 'slipway');
  const cases: [Record<string, string>, string][] = [
    [{ SLIPWAY_HOME: '/a', XDG_DATA_HOME: '/b', HOME: '/c' }, '/a'],
    [{ SLIPWAY_HOME: '', XDG_DATA_HOME: '/b', HOME: '/c' }, '/b/slipway'],
    [{ XDG_DATA_HOME: 'b', HOME: '/c' }, below('/c')],
    [{ XDG_DATA_HOME: '', HOME: '/c' }, below('/c')],
    [{ HOME: '' }, below(homedir())],
    [{ SLIPWAY_HOME: 'here' }, resolve('here')],
  ];
  for (const [env, home] of cases) assert.equal(slipwayHome(env), home, JSON.stringify(env));
});

test('the home is made for its owner alone, and made so if it was open', async (t) => {
  const dir = join(await tempFolder(t), 'data', 'slipway');
  assert.equal(await ensureHome(dir), dir);
  assert.equal((await stat(dir)).mode & 0o777, 0o700);
  await chmod(dir, 0o755);
  await ensureHome(dir);
  assert.equal((await stat(dir)).mode & 0o777, 0o700);
});

test('a home that is a link to a folder of the user is fine', async (t) => {
  const dir = await tempFolder(t);
  await mkdir(join(dir, 'disk'));
  await symlink(join(dir, 'disk'), join(dir, 'home'));
  await ensureHome(join(dir, 'home'));
  assert.equal((await stat(join(dir, 'disk'))).mode & 0o777, 0o700);
});

test('a home of another user is refused', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root can give a folder away');
  const dir = await tempFolder(t);
  const home = join(dir, 'home');
  await mkdir(home);
  await chown(home, 65534, 65534);
  await assert.rejects(ensureHome(home), (error: { code?: string; hint?: string }) => {
    assert.equal(error.code, 'CONFIG_INVALID');
    assert.match(error.hint ?? '', /SLIPWAY_HOME/);
    return true;
  });
});

test('a home that is a file is refused', async (t) => {
  const file = join(await tempFolder(t), 'file');
  await writeFile(file, '');
  await assert.rejects(ensureHome(file), { code: 'FILE_NOT_FOUND' });
});
