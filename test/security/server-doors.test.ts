import assert from 'node:assert/strict';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { hash } from 'bcryptjs';
import { ROUTES } from '../../src/server/routes.ts';
import { digestOfJson, pushImage, sendRaw, sha, startRig, temporaryFolder } from '../server/rig.ts';
import { row } from './rows.ts';

const APP = 'team/app';
const basic = (user: string, password: string) =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

async function passwordFile(t: TestContext, cost = 4): Promise<string> {
  const path = join(await temporaryFolder(t), 'htpasswd');
  const bcrypt = async (password: string) => (await hash(password, cost)).replace('$2b$', '$2y$');
  const users = [`ada:${await bcrypt('sécret:1')}`, `bob:${await bcrypt('other')}`];
  await writeFile(path, `${users.join('\n')}\n`);
  return path;
}

/** Every route that there is, with a path that would be answered. */
function everyRequest(digest: string) {
  const references: Record<string, string> = {
    '/v2/{name}/manifests/{reference}': 'v1',
    '/v2/{name}/blobs/uploads/{reference}': 'x'.repeat(22),
  };
  return ROUTES.map(({ method, template, writes }) => ({
    method,
    writes,
    path: template.replace('{name}', APP).replace('{reference}', references[template] ?? digest),
  }));
}

row(
  'Server',
  'CVE-2024-28224, CVE-2025-64443, CVE-2025-9074',
  'it listens on this machine alone, and answers to its own names only, whatever a name is rebound to',
  async (t) => {
    const rig = await startRig(t);
    const { port, hostname } = new URL(rig.registry.url);
    assert.equal(hostname, '127.0.0.1');
    for (const host of [`127.0.0.1:${port}`, 'localhost', `LOCALHOST:${port}`, '[::1]:1']) {
      assert.equal((await rig.ask('GET', '/v2/', { headers: { host } })).status, 200, host);
    }
    for (const host of [
      'evil.test',
      `evil.test:${port}`,
      'localhost.evil.test',
      '127.0.0.1.evil.test',
      '127.0.0.1@evil.test',
      '10.0.0.1',
      '0.0.0.0',
      'localhost:99999',
      'a/b',
    ]) {
      const answer = await rig.ask('GET', '/v2/', { headers: { host } });
      assert.deepEqual([answer.status, answer.code()], [421, 'DENIED'], host);
    }
    assert.match(await sendRaw(rig.registry, 'GET /v2/ HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 421 /);
    assert.match(await sendRaw(rig.registry, 'GET /v2/ HTTP/1.1\r\n\r\n'), /^HTTP\/1\.1 400 /);
  },
);

row(
  'Server',
  'CVE-2024-28224, CVE-2025-64443',
  'no web page is answered, not by a request that hides its origin either',
  async (t) => {
    const rig = await startRig(t);
    for (const origin of ['http://evil.test', 'null', rig.registry.url]) {
      for (const method of ['GET', 'POST', 'OPTIONS']) {
        const answer = await rig.ask(method, '/v2/a/blobs/uploads/', { headers: { origin } });
        assert.equal(answer.status, 403);
        assert.equal(answer.headers['access-control-allow-origin'], undefined);
      }
    }
    // Pictures and scripts of a page are asked for without an Origin.
    for (const site of ['cross-site', 'same-site', 'same-origin']) {
      const answer = await rig.ask('GET', '/v2/', { headers: { 'sec-fetch-site': site } });
      assert.equal(answer.status, 403, site);
    }
    const opened = await rig.ask('GET', '/v2/', { headers: { 'sec-fetch-site': 'none' } });
    assert.equal(opened.status, 200);
  },
);

row(
  'Server',
  'CVE-2026-27771, CVE-2020-29662',
  'without a login nothing is answered on any route, nor off them, and no catalog is kept',
  async (t) => {
    const storage = await temporaryFolder(t);
    const open = await startRig(t, { storage });
    const image = await pushImage(open, APP);
    await open.put(APP, 'v1', image);
    const rig = await startRig(t, { storage, htpasswd: await passwordFile(t) });
    const requests = everyRequest(image.config.digest);
    assert.ok(requests.length >= 16);
    const outside = ['/', '/v2/_catalog', '/v2/../x', '/metrics', '/v2/a/b/c'].map((path) => ({
      method: 'GET',
      path,
    }));
    const wrong = [
      undefined,
      '',
      'Basic',
      'Basic !!!!',
      `Basic ${Buffer.from('ada').toString('base64')}`,
      basic('ada', 'wrong'),
      basic('ada', ''),
      basic('', ''),
      basic('', 'sécret:1'),
      basic('nobody', 'sécret:1'),
      basic('bob', 'sécret:1'),
      `Bearer ${Buffer.from('ada:sécret:1').toString('base64')}`,
    ];
    for (const { method, path } of [...requests, ...outside]) {
      for (const authorization of wrong) {
        const headers = authorization === undefined ? {} : { authorization };
        const answer = await rig.ask(method, path, { headers });
        assert.equal(answer.status, 401, `${method} ${path} with ${authorization}`);
        assert.match(answer.headers['www-authenticate'] ?? '', /^Basic realm="slipway"/);
        if (method !== 'HEAD') assert.equal(answer.code(), 'UNAUTHORIZED');
        assert.ok(!answer.body.includes('linux'));
      }
    }
    const right = { authorization: basic('ada', 'sécret:1') };
    for (const { method, path } of requests) {
      const answer = await rig.ask(method, path, { headers: right });
      assert.notEqual(answer.status, 401, `${method} ${path}`);
    }
    assert.equal((await rig.ask('GET', '/v2/', { headers: right })).status, 200);
  },
);

row(
  'Server',
  'CVE-2023-20902, CVE-2025-24976',
  'a name that nobody has takes as long to refuse as a wrong password',
  async (t) => {
    const rig = await startRig(t, { htpasswd: await passwordFile(t, 9) });
    const cost = async (user: string, password: string) => {
      const before = process.cpuUsage();
      const headers = { authorization: basic(user, password) };
      assert.equal((await rig.ask('GET', '/v2/', { headers })).status, 401);
      return process.cpuUsage(before).user;
    };
    await cost('ada', 'warm');
    let known = 0;
    let unknown = 0;
    // Processor time, not time on the clock: it doesn't depend on what else the machine does.
    for (let round = 0; round < 5; round++) {
      known += await cost('ada', `wrong ${round}`);
      unknown += await cost(`nobody${round}`, 'wrong');
    }
    assert.ok(unknown > known / 2 && unknown < known * 2, `${unknown} and ${known} µs`);
  },
);

row(
  'Server',
  'CVE-2026-31801, CVE-2026-41888',
  'a read-only registry refuses every verb that writes, and its storage stays as it was',
  async (t) => {
    const storage = await temporaryFolder(t);
    const open = await startRig(t, { storage });
    const image = await pushImage(open, APP);
    await open.put(APP, 'v1', image);
    await open.registry.close();
    const before = await listing(storage);
    const rig = await startRig(t, { storage, readOnly: true });
    const requests = everyRequest(image.config.digest);
    for (const { method, path, writes } of requests) {
      const answer = await rig.ask(method, path);
      if (writes) assert.deepEqual([answer.status, answer.code()], [405, 'UNSUPPORTED'], path);
      else assert.notEqual(answer.status, 405, `${method} ${path}`);
    }
    assert.deepEqual(
      requests.filter(({ writes }) => writes).map(({ method }) => method),
      requests
        .filter(({ method }) => !['GET', 'HEAD'].includes(method))
        .map(({ method }) => method),
      'what is neither GET nor HEAD writes',
    );
    const answer = await rig.ask('GET', `/v2/${APP}/manifests/v1`);
    assert.equal(sha(answer.body), digestOfJson(image));
    await rig.registry.close();
    assert.deepEqual(await listing(storage), before);
  },
);

/** Every name below a folder, with when it was last changed. */
async function listing(folder: string): Promise<Record<string, number>> {
  const names = await readdir(folder, { recursive: true });
  const times = names.map(async (name) => [name, (await stat(join(folder, name))).mtimeMs]);
  return Object.fromEntries(await Promise.all(times));
}
