import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { anonymous, type CredentialLookup } from '../../src/credentials/credential.ts';
import { SlipwayError } from '../../src/errors.ts';
import { redirectTarget, uploadLocation } from '../../src/registry/location.ts';
import { makeCertificate, serveTls } from '../http/certificates.ts';
import { missing } from '../rig/programs.ts';
import { blobOf, type Client, connect, manifestOf, readAll } from './clients.ts';
import { type Call, type FakeRegistry, type Quirk, startFakeRegistry } from './fake-registry.ts';

const SECRET = 'the password';
const CREDENTIAL = { username: 'user', password: SECRET };

/** Where else a host is found: another port, or the same port under another name. */
const OTHERS = ['another port', 'another name'] as const;

interface Rig extends Client {
  /** holds the credentials' place: wants Basic from everybody */
  readonly origin: FakeRegistry;
  /** must never see a credential */
  readonly sink: FakeRegistry;
  /** URL of the sink */
  readonly elsewhere: string;
}

/** An origin that wants a login, and a second origin that it sends people to. */
async function startRig(
  t: TestContext,
  other: (typeof OTHERS)[number],
  quirk: (call: Call, elsewhere: string) => boolean | Promise<boolean>,
  sinkQuirk: Quirk = () => false,
): Promise<Rig> {
  const sink = await startFakeRegistry(t, sinkQuirk);
  let elsewhere = `http://${sink.host}`;
  const origin = await startFakeRegistry(t, async (call) => {
    if (other === 'another name' && call.url.hostname === 'localhost') {
      // The same server under its other name: what comes here has left the origin.
      leaks.push(call);
      return await sinkQuirk(call);
    }
    if (call.request.headers.authorization === undefined) {
      await call.body();
      call.answer(401, { 'www-authenticate': 'Basic realm="here"' });
      return true;
    }
    return await quirk(call, elsewhere);
  });
  const leaks: Call[] = [];
  if (other === 'another name') elsewhere = `http://localhost:${origin.host.split(':')[1]}`;
  const client = connect(t, origin.host, { credentials: async () => CREDENTIAL });
  t.after(() => {
    for (const { request } of leaks) assertClean(request.headers);
    for (const { headers } of sink.seen) assertClean(headers);
    assert.ok(leaks.length + sink.seen.length > 0, 'nothing came to the other origin');
  });
  return { ...client, origin, sink: other === 'another name' ? origin : sink, elsewhere };
}

function assertClean(headers: object): void {
  const text = JSON.stringify(headers);
  assert.doesNotMatch(text, /authorization|cookie/i);
  assert.ok(
    !text.includes(SECRET) && !text.includes(Buffer.from(`user:${SECRET}`).toString('base64')),
  );
}

for (const other of OTHERS) {
  test(`a blob that ${other} holds is read from there without a login`, async (t) => {
    const { descriptor, bytes } = blobOf(300_000);
    const rig = await startRig(t, other, (call, elsewhere) => {
      if (call.what !== 'GET blob' && call.what !== 'HEAD blob') return false;
      call.answer(307, { location: `${elsewhere}${call.url.pathname}?X-Signature=presigned` });
      return true;
    });
    rig.sink.blobs.set(descriptor.digest, bytes);
    assert.deepEqual(await readAll(rig.repository.fetch(descriptor)), bytes);
    assert.equal(await rig.repository.exists(descriptor), true);
  });

  test(`a manifest that ${other} holds is read from there without a login`, async (t) => {
    const manifest = manifestOf();
    const rig = await startRig(t, other, (call, elsewhere) => {
      if (!call.what.endsWith('manifest')) return false;
      call.answer(302, { location: `${elsewhere}${call.url.pathname}` });
      return true;
    });
    const stored = { type: manifest.descriptor.mediaType, bytes: manifest.bytes };
    rig.sink.manifests.set('team/app:v1', stored);
    rig.sink.manifests.set(`team/app@${manifest.descriptor.digest}`, stored);
    assert.deepEqual(await rig.repository.resolve('v1'), manifest.descriptor);
    assert.deepEqual(await readAll(rig.repository.fetch(manifest.descriptor)), manifest.bytes);
  });

  test(`an upload whose Location is on ${other} goes there without a login`, async (t) => {
    const rig = await startRig(t, other, (call, elsewhere) => {
      if (call.what !== 'POST upload') return false;
      call.answer(202, { location: `${elsewhere}/v2/team/app/blobs/uploads/there?sig=x` });
      return true;
    });
    rig.sink.sessions.set('there', Buffer.alloc(0));
    const { descriptor, open, bytes } = blobOf(300_000);
    await rig.repository.push(descriptor, open);
    assert.deepEqual(rig.sink.blobs.get(descriptor.digest), bytes);
  });

  test(`writes that are sent on to ${other} go there whole and without a login`, async (t) => {
    const rig = await startRig(t, other, async (call, elsewhere) => {
      if (!call.what.startsWith('PUT')) return false;
      call.answer(307, { location: `${elsewhere}${call.url.pathname}${call.url.search}` });
      return true;
    });
    if (rig.sink !== rig.origin) rig.sink.sessions.set('there', Buffer.alloc(0));
    const manifest = manifestOf();
    await rig.repository.tag(manifest.descriptor, 'v1', manifest.open);
    assert.deepEqual(rig.sink.manifests.get('team/app:v1')?.bytes, manifest.bytes);
  });

  test(`a login comes back when a redirect comes back from ${other}`, async (t) => {
    const { descriptor, bytes } = blobOf(1_000);
    let originUrl = '';
    const rig = await startRig(
      t,
      other,
      (call, elsewhere) => {
        if (call.what !== 'GET blob' || call.url.searchParams.has('back')) return false;
        originUrl = `http://${call.url.host}`;
        call.answer(307, { location: `${elsewhere}${call.url.pathname}` });
        return true;
      },
      (call) => {
        call.answer(307, { location: `${originUrl}${call.url.pathname}?back=1` });
        return true;
      },
    );
    rig.origin.blobs.set(descriptor.digest, bytes);
    assert.deepEqual(await readAll(rig.repository.fetch(descriptor)), bytes);
  });

  test(`${other} that asks for a login gets none`, async (t) => {
    const rig = await startRig(
      t,
      other,
      (call, elsewhere) => {
        call.answer(307, { location: `${elsewhere}${call.url.pathname}` });
        return true;
      },
      (call) => {
        call.answer(401, { 'www-authenticate': 'Basic realm="give me"' });
        return true;
      },
    );
    await assert.rejects(readAll(rig.repository.fetch(blobOf(10).descriptor)), {
      code: 'AUTH_REQUIRED',
    });
  });
}

test('a next page on another origin is not asked for', async (t) => {
  for (const link of [
    'http://127.0.0.1:9/v2/team/app/tags/list?last=b',
    '//evil.invalid/v2/x',
    '/other',
    'http://[bad',
    'javascript:1',
  ]) {
    const origin = await startFakeRegistry(t, (call) => {
      call.answer(200, { link: `<${link}>; rel="next"` }, { tags: ['a'] });
      return true;
    });
    const { repository } = connect(t, origin.host);
    const tags: string[] = [];
    const work = async () => {
      for await (const tag of repository.list()) tags.push(tag);
    };
    await assert.rejects(work(), { code: 'NOT_A_REGISTRY', message: /outside itself/ });
    assert.deepEqual(tags, ['a']);
    assert.equal(origin.seen.length, 1);
  }
});

test('a token service on another origin gets no password unless the user trusts it', async (t) => {
  const service = await startFakeRegistry(t, (call) => {
    call.answer(200, {}, { token: 'anonymous' });
    return true;
  });
  const origin = await startFakeRegistry(t, (call) => {
    if (call.request.headers.authorization !== undefined) return false;
    call.answer(401, { 'www-authenticate': `Bearer realm="http://${service.host}/token"` });
    return true;
  });
  const { descriptor, open } = blobOf(10);
  const careful = connect(t, origin.host, { credentials: async () => CREDENTIAL });
  await careful.repository.push(descriptor, open);
  for (const { headers } of service.seen) assertClean(headers);
  const trusting = connect(t, origin.host, {
    credentials: async () => CREDENTIAL,
    realmPolicy: 'any',
  });
  await trusting.repository.push(descriptor, open);
  assert.match(service.seen.at(-1)?.headers.authorization ?? '', /^Basic /);
});

test('a token service on another origin that wants a login ends the push, and names the flag', async (t) => {
  const service = await startFakeRegistry(t, (call) => {
    call.answer(401);
    return true;
  });
  const origin = await startFakeRegistry(t, (call) => {
    call.answer(401, { 'www-authenticate': `Bearer realm="http://${service.host}/token"` });
    return true;
  });
  const { repository } = connect(t, origin.host, { credentials: async () => CREDENTIAL });
  await assert.rejects(repository.resolve('v1'), (error) => {
    assert.ok(error instanceof SlipwayError);
    assert.equal(error.code, 'AUTH_REQUIRED');
    assert.match(error.hint ?? '', /--token-realm any/);
    return true;
  });
  for (const { headers } of service.seen) assertClean(headers);
});

for (const status of [401, 403]) {
  test(`a token for everybody that is refused with ${status} names the flag where a login was kept back`, async (t) => {
    const service = await startFakeRegistry(t, (call) => {
      call.answer(200, {}, { token: 'for-everybody' });
      return true;
    });
    const origin = await startFakeRegistry(t, (call) => {
      const isAsked = call.request.headers.authorization === undefined;
      const realm = `Bearer realm="http://${service.host}/token"`;
      const refused = isAsked ? realm : `${realm},error="insufficient_scope"`;
      call.answer(isAsked ? 401 : status, { 'www-authenticate': refused });
      return true;
    });
    const ask = (credentials: CredentialLookup) =>
      connect(t, origin.host, { credentials }).repository.resolve('v1');
    await assert.rejects(
      ask(async () => CREDENTIAL),
      (error) => {
        assert.ok(error instanceof SlipwayError);
        assert.equal(error.code, 'AUTH_REQUIRED');
        assert.match(error.hint ?? '', /--token-realm any/);
        return true;
      },
    );
    for (const { headers } of service.seen) assertClean(headers);
    // Who has no login keeps none back.
    const code = status === 401 ? 'AUTH_REQUIRED' : 'DENIED';
    await assert.rejects(ask(anonymous), (error) => {
      assert.ok(error instanceof SlipwayError);
      assert.equal(error.code, code);
      assert.doesNotMatch(error.hint ?? '', /--token-realm/);
      return true;
    });
  });
}

test('a redirect that a token service answers is not followed', async (t) => {
  const origin = await startFakeRegistry(t, (call) => {
    if (call.url.pathname === '/token') call.answer(307, { location: '/elsewhere' });
    else call.answer(401, { 'www-authenticate': 'Bearer realm="/token"' });
    return true;
  });
  const { repository } = connect(t, origin.host, { credentials: async () => CREDENTIAL });
  await assert.rejects(repository.resolve('v1'), { code: 'NOT_A_REGISTRY' });
  assert.ok(origin.seen.every(({ path }) => path !== '/elsewhere'));
});

test('nobody is sent from https to http', { skip: missing('openssl') }, async (t) => {
  const plain = await startFakeRegistry(t);
  const pair = await makeCertificate(t);
  const host = await serveTls(t, pair, (request, response) => {
    response.writeHead(request.method === 'POST' ? 202 : 307, {
      location: `http://${plain.host}${request.url}`,
    });
    response.end();
  });
  const { repository } = connect(t, host, {
    scheme: () => 'https',
    tls: () => ({ ca: pair.cert }),
  });
  const { descriptor } = blobOf(10);
  await assert.rejects(repository.resolve('v1'), { code: 'TLS', message: /https to plain http/ });
  await assert.rejects(readAll(repository.fetch(descriptor)), { code: 'TLS' });
  assert.equal(plain.seen.length, 0);
});

test('a certificate that fails never leads to http', { skip: missing('openssl') }, async (t) => {
  let requests = 0;
  const host = await serveTls(t, await makeCertificate(t), () => requests++);
  const { repository } = connect(t, host, { scheme: () => undefined });
  await assert.rejects(repository.resolve('v1'), { code: 'TLS', message: /self-signed/ });
  assert.equal(requests, 0);
});

test('redirects end', async (t) => {
  const registry = await startFakeRegistry(t, (call) => {
    call.answer(307, { location: `${call.url.pathname}?again=${call.nth}` });
    return true;
  });
  const { repository } = connect(t, registry.host);
  await assert.rejects(repository.resolve('v1'), {
    code: 'NOT_A_REGISTRY',
    message: /redirects more than/,
  });
  assert.equal(registry.seen.length, 6);
});

test('a Location that is no place for content is refused', () => {
  const from = new URL('https://registry.example.org/v2/a/blobs/uploads/');
  for (const location of [
    'ftp://x/',
    'file:///etc/passwd',
    'https://user:pass@x/',
    'http://[',
    'javascript:alert(1)',
    'http://registry.example.org/x',
    'https://169.254.169.254/latest',
    'https://[::1]/x',
    'https://10.0.0.1/x',
    'https://0x7f.1/x',
    'https://localhost/x',
  ]) {
    assert.throws(() => uploadLocation(location, from), SlipwayError, location);
  }
  assert.equal(
    uploadLocation('https://store.example.com/x?a=%2f', from).href,
    'https://store.example.com/x?a=%2f',
  );
  const inside = new URL('http://10.0.0.1:5000/v2/');
  assert.equal(uploadLocation('http://10.0.0.2:9000/x', inside).host, '10.0.0.2:9000');
});

test('no registry out in the world sends a write on to an address inside', () => {
  const answer = (host: string) => {
    const header = () => 'https://10.0.0.1/x';
    const url = new URL(`https://${host}/v2/a/manifests/1`);
    return { status: 307, header, url } as unknown as Parameters<typeof redirectTarget>[0];
  };
  for (const method of ['PUT', 'POST', 'PATCH', 'DELETE']) {
    assert.throws(() => redirectTarget(answer('registry.example.org'), method), {
      code: 'NOT_A_REGISTRY',
    });
    assert.equal(redirectTarget(answer('10.0.0.2'), method)?.host, '10.0.0.1');
  }
});

test('a write is not sent on where its body would be lost', () => {
  const answer = (status: number) => {
    const header = (name: string) => (name === 'location' ? '/there' : undefined);
    return { status, header, url: new URL('http://x/') } as Parameters<typeof redirectTarget>[0];
  };
  for (const status of [301, 302, 303]) {
    assert.equal(redirectTarget(answer(status), 'PUT'), undefined);
    assert.equal(redirectTarget(answer(status), 'GET')?.href, 'http://x/there');
  }
  assert.equal(redirectTarget(answer(308), 'PATCH')?.href, 'http://x/there');
  assert.equal(redirectTarget(answer(304), 'GET'), undefined);
});
