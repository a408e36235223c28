import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { type FakeRegistry, startFakeRegistry } from '../registry/fake-registry.ts';
import { dockerArchive, fileOf } from './archives.ts';
import { prepareCommandLine } from './in-process.ts';
import { LAYERS } from './scene.ts';

async function prepare(t: TestContext, headers: Readonly<Record<string, string>>) {
  const commands = await prepareCommandLine(t);
  const folder = commands.env.DOCKER_CONFIG ?? '';
  await mkdir(folder, { recursive: true });
  await writeFile(path.join(folder, 'config.json'), JSON.stringify({ HttpHeaders: headers }), {
    mode: 0o600,
  });
  const archive = await fileOf(t, 'app.tar', dockerArchive({ names: ['app:1'], layers: LAYERS }));
  return {
    ...commands,
    push: (...hosts: string[]) => [
      ...['push', '--retries', '0', '--from', `docker-archive:${archive}`],
      ...hosts.map((host) => `${host}/team/app:1`),
    ],
  };
}

const HEADERS = { 'X-Meta-Team': 'marker-of-the-team', 'X-Api-Key': 'marker-of-the-key' };

function sentTo({ seen }: FakeRegistry, name: string): readonly unknown[] {
  assert.ok(seen.length > 0);
  return [...new Set(seen.map(({ headers }) => headers[name]))];
}

test("docker's headers go to the only registry of a command", async (t) => {
  const { run, push } = await prepare(t, HEADERS);
  const registry = await startFakeRegistry(t, () => false);
  const { code, stderr, stdout } = await run(push(registry.host));
  assert.equal(code, 0, stderr);
  assert.deepEqual(sentTo(registry, 'x-meta-team'), ['marker-of-the-team']);
  assert.deepEqual(sentTo(registry, 'x-api-key'), ['marker-of-the-key']);
  assert.doesNotMatch(stderr + stdout, /marker|left out/);
});

test('where a command names two, only those go that docker hands on to all', async (t) => {
  const { run, push } = await prepare(t, HEADERS);
  const one = await startFakeRegistry(t, () => false);
  const two = await startFakeRegistry(t, () => false);
  const { code, stderr, stdout } = await run(push(one.host, two.host));
  assert.equal(code, 0, stderr);
  for (const registry of [one, two]) {
    assert.deepEqual(sentTo(registry, 'x-meta-team'), ['marker-of-the-team']);
    assert.deepEqual(sentTo(registry, 'x-api-key'), [undefined]);
  }
  assert.match(stderr, /headers of docker's config are left out, .*: x-api-key/);
  assert.doesNotMatch(stderr + stdout, /marker/);
});

test('they reach no other origin: not where an upload goes, not a redirect, not the realm', async (t) => {
  const { run, push } = await prepare(t, HEADERS);
  const sink = await startFakeRegistry(t, (call) => {
    call.answer(404);
    return true;
  });
  const leads = ['401', '307', 'location'] as const;
  for (const lead of leads) {
    const before = sink.seen.length;
    const registry = await startFakeRegistry(t, (call) => {
      if (lead === 'location' && call.what !== 'POST upload') return false;
      const realm = `Bearer realm="http://${sink.host}/token",service="x"`;
      const location = `http://${sink.host}/v2/elsewhere`;
      if (lead === '401') call.answer(401, { 'www-authenticate': realm });
      else call.answer(lead === '307' ? 307 : 202, { location });
      return true;
    });
    const flags = lead === '401' ? ['--token-realm', 'any'] : [];
    const { code, stderr } = await run([...push(registry.host), ...flags]);
    assert.notEqual(code, 0);
    assert.doesNotMatch(stderr, /marker/);
    assert.deepEqual(sentTo(registry, 'x-api-key'), ['marker-of-the-key']);
    assert.ok(sink.seen.length > before, `${lead} did not lead to the other origin`);
  }
  assert.doesNotMatch(JSON.stringify(sink.seen), /marker/);
});

test('headers that belong to the protocol are refused by name', async (t) => {
  const { run, push } = await prepare(t, { 'Content-Length': '7-marker', 'X-Ok': 'yes' });
  const { code, stderr } = await run(push('127.0.0.1:1'));
  assert.equal(code, 2, stderr);
  assert.match(
    stderr,
    /"HttpHeaders" of docker's config has headers that can't be sent: "Content-Length"/,
  );
  assert.doesNotMatch(stderr, /marker/);
});

test('a config file that can not be read stops nobody who needs nothing of it', async (t) => {
  const { run, env } = await prepare(t, {});
  await writeFile(path.join(env.DOCKER_CONFIG ?? '', 'config.json'), '{ marker');
  const registry = await startFakeRegistry(t, () => false);
  const { code, stderr } = await run(['inspect', `${registry.host}/team/app:1`]);
  assert.equal(code, 12, stderr);
  assert.match(stderr, /proxies and headers are not taken from it: .*config\.json/);
  assert.doesNotMatch(stderr, /marker/);
});
