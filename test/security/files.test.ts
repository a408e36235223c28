import assert from 'node:assert/strict';
import { chmod, chown, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { prepare } from '../cli/scene.ts';
import { row } from './rows.ts';
import { assertRefused } from './two-origins.ts';

const NOT_ROOT = process.getuid?.() === 0 ? false : 'needs root to give files away';

row(
  'Files',
  'CVE-2021-41091, CVE-2021-41103, CVE-2024-25621, CVE-2025-59349, CVE-2025-54059',
  'what we keep is for its owner alone whatever the umask, and folders that were open are closed',
  async (t) => {
    const { run, must, home, host, archive } = await prepare(t);
    const before = process.umask(0);
    t.after(() => process.umask(before));
    await mkdir(home, { recursive: true, mode: 0o777 });
    await chmod(home, 0o777);
    await must(['load', '-q', '-i', archive]);
    await must(['push', '--from', `docker-archive:${archive}`, `${host}/app:1`]);
    assert.equal((await stat(home)).mode & 0o777, 0o700);
    for (const entry of await readdir(home, { withFileTypes: true })) {
      const { mode } = await stat(path.join(home, entry.name));
      if (entry.isDirectory()) assert.equal(mode & 0o777, 0o700, entry.name);
      // Below a folder of 0700 nobody else comes to a file; none is writable by others anyhow.
      else assert.equal(mode & 0o022, 0, entry.name);
    }
    assert.equal((await run(['images'])).code, 0);
  },
);

row(
  'Files',
  'CVE-2021-41091',
  'a folder of another user is not used',
  async (t) => {
    const { run, home, archive } = await prepare(t);
    await mkdir(home, { recursive: true, mode: 0o700 });
    await chown(home, 12_345, 12_345);
    assertRefused(await run(['load', '-i', archive]), 2, /belongs to another user/);
  },
  { skip: NOT_ROOT },
);

row(
  'Files',
  'config files that others can read',
  'a login in a file that others can read is used with a warning',
  async (t) => {
    const { run, env, host, archive } = await prepare(t);
    const file = path.join(env.DOCKER_CONFIG ?? '', 'config.json');
    await mkdir(path.dirname(file), { recursive: true });
    const auth = Buffer.from('me:marker-password').toString('base64');
    await writeFile(file, JSON.stringify({ auths: { [host]: { auth } } }));
    await chmod(file, 0o644);
    const push = ['push', '--from', `docker-archive:${archive}`, `${host}/app:1`];
    const { code, stderr } = await run(push);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /warning: .*config\.json/);
    await chmod(file, 0o600);
    assert.doesNotMatch((await run(push)).stderr, /warning/);
  },
);

row(
  'Files',
  'CVE-2026-33481, CVE-2025-4953',
  'nothing is left in the folder for temporary files',
  async (t) => {
    const { must, run, env, host, archive } = await prepare(t);
    const temporary = env.TMPDIR ?? '';
    const before = await readdir(temporary);
    await must(['push', '--from', `docker-archive:${archive}`, `${host}/app:1`]);
    await must(['load', '-q', '-i', archive]);
    assert.notEqual(
      (
        await run([
          'push',
          '--from',
          `docker-archive:${archive}`,
          '127.0.0.1:1/a',
          '--retries',
          '0',
        ])
      ).code,
      0,
    );
    const own = new Set([...before, path.basename(env.SLIPWAY_HOME ?? ''), 'docker']);
    assert.deepEqual(
      (await readdir(temporary)).filter((name) => !own.has(name)),
      [],
    );
  },
);
