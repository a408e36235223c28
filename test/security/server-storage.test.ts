import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { digestOfJson, pushImage, sendRaw, sha, startRig, temporaryFolder } from '../server/rig.ts';
import { row } from './rows.ts';

const APP = 'team/app';

row(
  'Server',
  'CVE-2024-3727, CVE-2024-37032, zip-slip through the API',
  'no name, tag, digest or upload id of a request is a path out of the storage, however it is encoded',
  async (t) => {
    const outer = await temporaryFolder(t);
    const storage = join(outer, 'storage');
    await mkdir(join(outer, 'secret/blobs/sha256'), { recursive: true });
    const secret = Buffer.from('secret');
    const secretPath = `blobs/sha256/${sha(secret).slice('sha256:'.length)}`;
    await writeFile(join(outer, 'secret', secretPath), secret);
    await writeFile(join(outer, 'secret/oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await writeFile(join(outer, 'secret/index.json'), '{"schemaVersion":2,"manifests":[]}');
    const rig = await startRig(t, { storage });
    await pushImage(rig, 'team/app');
    const before = (await readdir(outer, { recursive: true })).length;
    const names = [
      '../secret',
      '..%2fsecret',
      '%2e%2e/secret',
      '%2e%2e%2fsecret',
      '%252e%252e%252fsecret',
      'team/../../secret',
      'team/./app',
      './team/app',
      '..\\secret',
      'team//app',
      '/secret',
      'team/app%00',
      'team/app%0d%0aX:y',
      'TEAM/app',
      'team/.slipway',
      'team/app/blobs',
      'team/app/blobs/sha256',
      'team/index.json',
      'team/app/oci-layout',
      `${'a/'.repeat(200)}a`,
      'é',
    ];
    const found = sha(secret);
    for (const name of names) {
      for (const [method, path] of [
        ['GET', `/v2/${name}/blobs/${found}`],
        ['GET', `/v2/${name}/tags/list`],
        ['GET', `/v2/${name}/manifests/latest`],
        ['POST', `/v2/${name}/blobs/uploads/?digest=${found}`],
        ['PUT', `/v2/${name}/manifests/v1`],
        ['DELETE', `/v2/${name}/blobs/${found}`],
      ] as const) {
        const text = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 6\r\n\r\nsecret`;
        const answer = await sendRaw(rig.registry, text);
        assert.match(answer, /^HTTP\/1\.1 40[045] /, `${method} ${path}`);
        assert.ok(!answer.includes('\r\n\r\nsecret'), `${method} ${path}`);
      }
    }
    assert.equal((await readdir(outer, { recursive: true })).length, before);
    for (const reference of ['..%2f..%2findex.json', '%2e%2e', 'v1%00', '..']) {
      const answer = await sendRaw(
        rig.registry,
        `GET /v2/team/app/manifests/${reference} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      assert.match(answer, /^HTTP\/1\.1 404 /, reference);
    }
    for (const id of ['../../../../x', '..%2f..%2fx', 'x'.repeat(22), '%00']) {
      const answer = await sendRaw(
        rig.registry,
        `GET /v2/team/app/blobs/uploads/${id} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
      );
      assert.match(answer, /^HTTP\/1\.1 40[04] /, id);
    }
  },
);

row(
  'Server',
  'guessable upload ids',
  'the id of an upload is 128 random bits, and good for its own repository only',
  async (t) => {
    const rig = await startRig(t);
    const ids = new Set<string>();
    for (let count = 0; count < 64; count++) {
      const location = await rig.begin(APP);
      const id = location.split('/').at(-1) ?? '';
      assert.match(id, /^[A-Za-z0-9_-]{22}$/);
      ids.add(id);
    }
    assert.equal(ids.size, 64);
    const [id = ''] = ids;
    for (const [method, path] of [
      ['GET', `/v2/other/blobs/uploads/${id}`],
      ['PATCH', `/v2/team/blobs/uploads/${id}`],
      ['PUT', `/v2/team/app/x/blobs/uploads/${id}?digest=${sha('')}`],
      ['DELETE', `/v2/other/blobs/uploads/${id}`],
      ['GET', `/v2/${APP}/blobs/uploads/${id.slice(1)}`],
      ['GET', `/v2/${APP}/blobs/uploads/${id}.json`],
      ['GET', `/v2/${APP}/blobs/uploads/${id.toLowerCase()}x`],
    ] as const) {
      const answer = await rig.ask(method, path);
      assert.deepEqual([answer.status, answer.code()], [404, 'BLOB_UPLOAD_UNKNOWN'], path);
    }
    assert.equal((await rig.ask('GET', `/v2/${APP}/blobs/uploads/${id}`)).status, 204);
  },
);

row(
  'Server',
  'CVE-2024-39897, CVE-2026-35172',
  'a blob of one repository is not there in another one, nor after its deletion',
  async (t) => {
    const rig = await startRig(t);
    const digest = await rig.push(APP, randomBytes(100));
    await rig.push('other', randomBytes(100));
    const there = async (name: string) =>
      (await rig.ask('GET', `/v2/${name}/blobs/${digest}`)).status;
    assert.equal(await there(APP), 200);
    assert.equal(await there('other'), 404);
    const mounts = `/v2/other/blobs/uploads/?mount=${digest}&from=${APP}`;
    assert.equal((await rig.ask('POST', mounts)).status, 201);
    await rig.ask('DELETE', `/v2/${APP}/blobs/${digest}`);
    assert.equal(await there(APP), 404);
    assert.equal(await there('other'), 200);
  },
);

row(
  'Server',
  'uploads that fill a disk',
  'what would not fit below --max-size is refused with 507, and no part of it stays',
  async (t) => {
    const storage = await temporaryFolder(t);
    const rig = await startRig(t, { storage, maxBytes: 1_000_000 });
    await rig.push(APP, randomBytes(600_000));
    const body = randomBytes(600_000);
    const put = `${await rig.begin(APP)}?digest=${sha(body)}`;
    const image = await pushImage(rig, APP, { annotations: { x: 'x'.repeat(600_000) } });
    for (const [method, path] of [
      ['POST', `/v2/${APP}/blobs/uploads/?digest=${sha(body)}`],
      ['PATCH', await rig.begin(APP)],
      ['PUT', put],
    ] as const) {
      const answer = await rig.ask(method, path, { body });
      assert.deepEqual([answer.status, answer.code()], [507, 'DENIED'], method);
    }
    assert.equal((await rig.put(APP, 'v1', image)).status, 507);
    assert.deepEqual(await readdir(join(storage, '.slipway/uploads')), []);
    assert.deepEqual(await readdir(join(storage, APP, '.slipway/ingest')), []);
  },
);

row(
  'Server',
  'uploads that are never ended',
  'uploads are bounded in number, and those that nobody touches end with their files',
  async (t) => {
    const storage = await temporaryFolder(t);
    const rig = await startRig(t, { storage, maxUploads: 4, uploadExpiryMs: 500 });
    for (let count = 0; count < 4; count++) {
      await rig.ask('PATCH', await rig.begin(APP), { body: randomBytes(100) });
    }
    while ((await readdir(join(storage, '.slipway/uploads'))).length > 0) await sleep(20);
    const bounded = await startRig(t, { maxUploads: 4 });
    for (let count = 0; count < 4; count++) await bounded.begin(APP);
    const refused = await bounded.ask('POST', `/v2/${APP}/blobs/uploads/`);
    assert.deepEqual([refused.status, refused.code()], [429, 'TOOMANYREQUESTS']);
  },
);

row(
  'Server',
  'CVE-2023-2253',
  'lists come in pages however many are asked for, and names without end are refused in words',
  async (t) => {
    const storage = await temporaryFolder(t);
    const rig = await startRig(t, { storage });
    const image = await pushImage(rig, APP);
    await rig.put(APP, 'v1', image);
    const file = join(storage, APP, 'index.json');
    const index = JSON.parse(await readFile(file, 'utf8')) as { manifests: [object] };
    const named = (at: number) => ({
      ...index.manifests[0],
      annotations: { 'org.opencontainers.image.ref.name': `${'t'.repeat(100)}-${at}` },
    });
    // As many names as there may be, as ten thousand requests would make them.
    const each = JSON.stringify(named(10_000)).length + 1;
    const count = Math.floor((4 * 1024 * 1024 - 500) / each);
    const manifests = Array.from({ length: count }, (_, at) => named(at));
    await writeFile(file, JSON.stringify({ schemaVersion: 2, manifests }));
    for (const n of ['1000', '1000000000', '999999999999999']) {
      const page = await rig.ask('GET', `/v2/${APP}/tags/list?n=${n}`);
      assert.equal(page.json<{ tags: string[] }>().tags.length, 1000);
    }
    const query = Array.from({ length: 50 }, (_, at) => `tag=${'x'.repeat(100)}${at}`).join('&');
    const refused = await rig.put(APP, `${digestOfJson(image)}?${query}`, image);
    assert.deepEqual([refused.status, refused.code()], [507, 'DENIED']);
    // What is there is served, and can be deleted.
    const tag = `/v2/${APP}/manifests/${'t'.repeat(100)}-0`;
    assert.equal((await rig.ask('GET', tag)).status, 200);
    assert.equal((await rig.ask('DELETE', tag)).status, 202);
  },
);

row(
  'Server',
  'GHSA-m37j-52j7-pjw7, CVE-2026-17106',
  'links in a storage lead nowhere: neither repositories nor files behind them are served or written',
  async (t) => {
    const outer = await temporaryFolder(t);
    const storage = join(outer, 'storage');
    const rig = await startRig(t, { storage });
    const elsewhere = await startRig(t, { storage: join(outer, 'elsewhere') });
    const image = await pushImage(elsewhere, APP);
    await elsewhere.put(APP, 'v1', image);
    await pushImage(rig, APP);
    await mkdir(join(outer, 'empty'));
    const secret = join(outer, 'secret');
    await writeFile(secret, 'secret');
    await symlink(join(outer, 'elsewhere'), join(storage, 'linked'));
    await symlink(join(outer, 'elsewhere', APP), join(storage, 'team/linked'));
    await symlink(join(outer, 'empty'), join(storage, 'team/empty'));
    for (const name of ['linked/team/app', 'team/linked', 'team/empty', 'team/empty/below']) {
      for (const [method, path, body] of [
        ['GET', 'manifests/v1', null],
        ['GET', 'tags/list', null],
        ['GET', `blobs/${image.config.digest}`, null],
        ['POST', `blobs/uploads/?digest=${sha('x')}`, 'x'],
        ['DELETE', `blobs/${image.config.digest}`, null],
      ] as const) {
        const answer = await rig.ask(method, `/v2/${name}/${path}`, { body });
        assert.deepEqual([answer.status, answer.code()], [404, 'NAME_UNKNOWN'], `${name} ${path}`);
      }
      const mount = `mount=${image.config.digest}&from=${name}`;
      assert.equal((await rig.ask('POST', `/v2/new/blobs/uploads/?${mount}`)).status, 404);
    }
    assert.deepEqual(await readdir(join(outer, 'empty')), []);
    const held = await elsewhere.ask('GET', `/v2/${APP}/blobs/${image.config.digest}`);
    assert.equal(held.status, 200, 'nothing was deleted there');
    // Named as a blob, a file of somebody else is not handed out: it isn't what its name says.
    const false64 = 'a'.repeat(64);
    await symlink(secret, join(storage, APP, 'blobs/sha256', false64));
    for (const path of [`blobs/sha256:${false64}`, `manifests/sha256:${false64}`]) {
      const answer = await rig.ask('GET', `/v2/${APP}/${path}`);
      assert.ok(answer.status >= 400 && !answer.body.includes('secret'), path);
    }
  },
);

row(
  'Server',
  'two processes, one store',
  'registries that serve one storage at the same time lose none of each other’s tags',
  async (t) => {
    const storage = await temporaryFolder(t);
    const rigs = [await startRig(t, { storage }), await startRig(t, { storage })] as const;
    const images = await Promise.all(rigs.map((rig) => pushImage(rig, APP)));
    const tags = Array.from({ length: 24 }, (_, at) => `v${at}`);
    await Promise.all(
      tags.map(async (tag, at) => {
        const image = images[at % 3 ? 1 : 0] ?? images[0];
        assert.ok(image);
        assert.equal((await rigs[at % 2 ? 1 : 0].put(APP, tag, image)).status, 201);
      }),
    );
    for (const rig of rigs) {
      const list = (await rig.ask('GET', `/v2/${APP}/tags/list`)).json<{ tags: string[] }>();
      assert.deepEqual(list.tags, tags.sort());
    }
  },
);
