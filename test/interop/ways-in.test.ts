import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it, type TestContext } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { prepareCommandLine } from '../cli/in-process.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { addImage, startLayout } from '../rig/layouts.ts';
import { missing } from '../rig/programs.ts';
import { startProxy } from '../rig/proxy.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { startTlsFront, type TlsFront } from '../rig/tls-front.ts';
import { startTokenServer, type TokenServer } from '../rig/token-server.ts';

const PASSWORD = 'hunter2-"quoted"-ü';
const USERS = { me: PASSWORD };
const LIFE_SECONDS = 2;

/** A registry, and what is to be said of it. */
interface Way {
  readonly host: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** bytes a second of the push, for what runs out on the way */
  readonly rate?: string;
  /** its authority is to be trusted */
  readonly front?: TlsFront;
  /** and its client certificate shown */
  readonly isMutual?: boolean;
}

/** Logs in, publishes, fetches and logs out; nothing works before or after. */
async function goThrough(t: TestContext, way: Way): Promise<void> {
  const { host, flags = [], env = {}, rate = '1G', front, isMutual = false } = way;
  const { program, run, must } = await prepareCommandLine(t, env);
  if (front !== undefined) {
    const folder = path.join(program.env.SLIPWAY_CERTS_D ?? '', front.host);
    await mkdir(folder, { recursive: true });
    await copyFile(front.caFile, path.join(folder, 'ca.crt'));
    if (isMutual) {
      await copyFile(front.clientFiles.cert, path.join(folder, 'client.cert'));
      await copyFile(front.clientFiles.key, path.join(folder, 'client.key'));
    }
  }
  const layout = await startLayout(t);
  const layers = [1, 2, 3, 4].map(() => randomBytes(1_000_000));
  const added = layers.map(async (bytes) => {
    return { layer: await layout.add(bytes, MEDIA_TYPE.ociLayer), diffId: digestOf(bytes) };
  });
  await layout.name(await addImage(layout, 'amd64', await Promise.all(added)), 'app');
  const reference = `${host}/team/app:1`;
  const refused = async (): Promise<void> => {
    const { code, stderr } = await run(['ls', `${host}/team/app`, ...flags]);
    assert.equal(code, 10, stderr);
  };

  await refused();
  const wrong = await run(['login', '-u', 'me', '-p', 'wrong', host, ...flags]);
  assert.equal(wrong.code, 10, wrong.stderr);
  await refused();
  const login = ['login', '-u', 'me', '--password-stdin', host, ...flags];
  const right = await program.run(login, { env, stdin: PASSWORD });
  assert.match(right.stdout, /Login Succeeded/, right.stderr);
  const from = ['--from', `oci:${layout.dir}:app`, '--limit-rate', rate];
  await must(['push', ...from, ...flags, reference]);
  const [pulled = ''] = await must(['pull', '-q', ...flags, reference]);
  await must(['tag', pulled, 'own:1']);
  await must(['push', ...flags, '--from', 'own:1', `${host}/team/other:1`]);
  assert.match((await must(['ls', ...flags, `${host}/team/other`])).join('\n'), /sha256:/);
  await must(['logout', host]);
  await refused();
}

describe('login, push, pull and logout', {
  skip: missing('docker-registry', 'htpasswd', 'nginx', 'openssl'),
}, () => {
  let plain: string;
  let tokens: TokenServer;

  before(async () => {
    const options = { users: USERS, lifeSeconds: LIFE_SECONDS };
    [{ host: plain }, tokens] = await Promise.all([
      startDockerRegistry(THIS_FILE, { users: USERS }),
      startTokenServer(THIS_FILE, options),
    ]);
  });

  it('at a registry that knows its users', async (t) => {
    await goThrough(t, { host: plain });
  });

  it('behind TLS of a private authority that wants a client certificate', async (t) => {
    const front = await startTlsFront(t, plain, { isMutual: true });
    await goThrough(t, { host: front.host, front, isMutual: true });
  });

  it('through a proxy with a password', async (t) => {
    const front = await startTlsFront(t, plain, { name: 'registry.invalid' });
    const ways = { [front.host]: front.address };
    const proxy = await startProxy(t, { ways, login: 'proxy-user:of-the-proxy' });
    const url = proxy.url.replace('//', '//proxy-user:of-the-proxy@');
    await goThrough(t, { host: front.host, front, env: { HTTPS_PROXY: url } });
    assert.ok(proxy.requests.every(({ method }) => method === 'CONNECT'));
  });

  it('with tokens of another origin that live shortly, once that origin is trusted', async (t) => {
    const token = { ...tokens.trust, realm: `http://${tokens.host}/auth/token` };
    const { host } = await startDockerRegistry(t, { token });
    await goThrough(t, { host, flags: ['--token-realm', 'any'] });
    const { knowPasswords, run } = await prepareCommandLine(t);
    await knowPasswords({ [host]: `me:${PASSWORD}` });
    const heard = tokens.given.filter(({ user }) => user !== '').length;
    const { code, stderr } = await run(['ls', `${host}/team/app`]);
    assert.equal(code, 10, stderr);
    assert.match(stderr, /--token-realm any/);
    assert.equal(tokens.given.filter(({ user }) => user !== '').length, heard);
  });

  it('with tokens from behind the registry’s own origin', async (t) => {
    const own = await startTokenServer(t, { users: USERS, lifeSeconds: LIFE_SECONDS });
    const token = { ...own.trust, realm: 'set by itself', autoredirect: true };
    const { host } = await startDockerRegistry(t, { token });
    const front = await startTlsFront(t, host, { beside: { '/auth/token': own.host } });
    await goThrough(t, { host: front.host, front, rate: '1M' });
    const pushing = own.given.filter(({ granted = '' }) => /team\/app:.*push/.test(granted));
    assert.ok(pushing.length > 1, 'no token ran out on the way');
  });
});
