import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hash } from 'bcryptjs';
import { openLayout } from '../../src/layout/layout.ts';
import { makeImage, pushImage } from '../layout/images.ts';
import { CLIENTS, type Client } from './client-programs.ts';
import { startRig, temporaryFolder } from './rig.ts';

const USER = 'ada';
const PASSWORD = 'secret';

for (const kind of CLIENTS) {
  test(`${kind.name} pushes, pulls and deletes, with and without a login`, async (t) => {
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
    const client = await kind.start(t, dir, image.manifest.descriptor.digest);
    const gone = [await useRegistry(t, kind.name, client)];
    const htpasswd = join(dir, 'htpasswd');
    await writeFile(htpasswd, `${USER}:${(await hash(PASSWORD, 5)).replace('$2b$', '$2y$')}\n`);
    gone.push(await useRegistry(t, kind.name, client, htpasswd));
    // Engines forget their image before they pull, so that this comes last.
    for (const name of gone) await assert.rejects(client.pull(name), 'it is gone');
  });
}

/** Gives the name of the image that was deleted at the end. */
async function useRegistry(
  t: TestContext,
  program: string,
  client: Client,
  htpasswd?: string,
): Promise<string> {
  const rig = await startRig(t, { htpasswd });
  const { host } = rig.registry;
  const name = `${host}/team/${program}:v1`;
  if (htpasswd !== undefined) {
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
    rig.ask(method, `/v2/team/${program}/manifests/v1`, {
      headers: htpasswd === undefined ? {} : { authorization: basic },
    });
  const held = await ask('HEAD');
  assert.equal(held.status, 200);
  assert.equal(held.headers.warning, undefined);
  if (client.remove === undefined) assert.equal((await ask('DELETE')).status, 202);
  else await client.remove(name);
  assert.equal((await ask('HEAD')).status, 404);
  return name;
}
