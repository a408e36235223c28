import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { hash } from 'bcryptjs';
import { openLayout } from '../../src/layout/layout.ts';
import { makeImage, pushImage } from '../layout/images.ts';
import { CLIENTS } from './client-programs.ts';
import { startRig, temporaryFolder } from './rig.ts';

const USER = 'ada';
const PASSWORD = 'secret';

for (const kind of CLIENTS) {
  for (const withLogin of [false, true]) {
    const how = withLogin ? 'with a login' : 'without a login';
    test(`${kind.name} pushes, pulls and deletes, ${how}`, async (t) => {
      const why = kind.missing();
      if (why !== false) {
        t.skip(why);
        return;
      }
      const dir = await temporaryFolder(t);
      const image = makeImage('text');
      const layout = await openLayout(join(dir, 'layout'), { create: true });
      await pushImage(layout, image, 'v1');
      await layout.close();
      const htpasswd = join(dir, 'htpasswd');
      await writeFile(htpasswd, `${USER}:${(await hash(PASSWORD, 5)).replace('$2b$', '$2y$')}\n`);
      const rig = await startRig(t, withLogin ? { htpasswd } : {});
      const { host } = rig.registry;
      const client = await kind.start(t, dir, image.manifest.descriptor.digest);
      const name = `${host}/team/${kind.name}:v1`;
      if (withLogin) {
        await assert.rejects(client.push(name), 'nobody is let in without a login');
        // crane believes a login until it is used.
        await client.login(host, USER, 'wrong').catch(() => {});
        await assert.rejects(client.push(name), 'nor with a wrong one');
        await client.login(host, USER, PASSWORD);
      }
      await client.push(name);
      assert.equal(await client.pull(name), client.id);
      const basic = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;
      const ask = (method: string) =>
        rig.ask(method, `/v2/team/${kind.name}/manifests/v1`, {
          headers: withLogin ? { authorization: basic } : {},
        });
      const held = await ask('HEAD');
      assert.equal(held.status, 200);
      assert.equal(held.headers.warning, undefined);
      if (client.remove === undefined) assert.equal((await ask('DELETE')).status, 202);
      else await client.remove(name);
      assert.equal((await ask('HEAD')).status, 404);
      await assert.rejects(client.pull(name), 'it is gone');
    });
  }
}
