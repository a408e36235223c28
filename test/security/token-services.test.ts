import assert from 'node:assert/strict';
import { serveRaw } from '../http/servers.ts';
import { startFakeRegistry } from '../registry/fake-registry.ts';
import { row } from './rows.ts';
import { startTlsOrigin } from './tls-origin.ts';
import {
  assertNoMarker,
  assertPublished,
  assertRefused,
  OTHERS,
  type Other,
  type Scene,
  SECRETS,
  startTwoOrigins,
} from './two-origins.ts';

const ANONYMOUS = 'anonymous-token';

/** A registry whose tokens come from the sink: good for whoever asks. */
function scene(other: Other, more: Scene = {}): Scene {
  return {
    other,
    login: 'bearer',
    challenge: (elsewhere) => `Bearer realm="${elsewhere}/login",service="here"`,
    sink: (call) => {
      call.answer(200, {}, { token: ANONYMOUS });
      return true;
    },
    ...more,
  };
}

for (const other of OTHERS) {
  // The other name is an address inside this machine: under `auto` it isn't even asked.
  const isAsked = other === 'another port';

  for (const hasIdentityToken of [false, true]) {
    for (const policy of ['auto', 'same-site']) {
      row(
        'Credentials',
        'CVE-2026-48978, GHSA-xf85-363p-868w, CVE-2025-51471, GHSA-x9hg-5q6g-q3jr',
        'a token service on another site is told neither password, identity token nor account',
        async (t) => {
          const rig = await startTwoOrigins(t, scene(other, { hasIdentityToken }));
          const result = await rig.push('--token-realm', policy);
          if (isAsked) assertPublished(result, rig.origin);
          else assertRefused(result, 10, /inside this machine or network/);
          assert.equal(rig.arrived.length > 0, isAsked);
        },
      );
    }
  }

  row(
    'Credentials',
    'CVE-2026-48978, GHSA-xf85-363p-868w',
    'where a login is wanted by a token service on another site, the push ends and names the flag',
    async (t) => {
      const sink: Scene['sink'] = (call) => {
        call.answer(401);
        return true;
      };
      const rig = await startTwoOrigins(t, scene(other, { sink }));
      const says = isAsked ? /--token-realm any/ : /not safe to use/;
      assertRefused(await rig.push(), 10, says);
    },
  );

  row(
    'Credentials',
    'CVE-2026-33540, GHSA-3p65-76g6-3w7r',
    'reading is as careful as writing',
    async (t) => {
      const rig = await startTwoOrigins(t, scene(other));
      const { host } = rig.origin;
      for (const args of [
        ['ls', `${host}/team/app`],
        ['inspect', `${host}/team/app:1`],
        ['pull', `${host}/team/app:1`],
        ['verify', `${host}/team/app:1`],
      ]) {
        const result = await rig.run(...args);
        // Of an empty repository there is nothing to list.
        assert.ok([0, 10, 12].includes(result.code), result.stderr);
      }
      assert.equal(rig.arrived.length > 0, isAsked);
    },
  );
}

row(
  'Credentials',
  'CVE-2026-48978',
  'a token service that the user trusts is given the login, and a redirect from it is not followed',
  async (t) => {
    const service = await startFakeRegistry(t, (call) => {
      if (call.url.pathname === '/login') call.answer(307, { location: '/leak' });
      else call.answer(200, {}, { token: ANONYMOUS });
      return true;
    });
    const challenge = () => `Bearer realm="http://${service.host}/login"`;
    const rig = await startTwoOrigins(t, scene('another port', { challenge }));
    assertRefused(await rig.push('--token-realm', 'any'), 16, /answered 307/);
    assert.equal(service.seen.length, 1);
    const basic = Buffer.from(`${SECRETS.username}:${SECRETS.password}`).toString('base64');
    assert.equal(service.seen[0]?.headers.authorization, `Basic ${basic}`);
  },
);

row(
  'Credentials',
  'CVE-2026-48978, CVE-2026-12566, CVE-2026-33990',
  'however a realm is spelled, nothing but the registry is given the login',
  async (t) => {
    const accepted: string[] = [];
    let realm = '';
    const rig = await startTwoOrigins(t, scene('another port', { challenge: () => realm }));
    const { port } = new URL(rig.elsewhere);
    const refused = [
      `Bearer realm="http://[::1]:${port}/"`,
      `Bearer realm="http://0x7f.2:${port}/"`,
      `Bearer realm="http://127.2:${port}/"`,
      `Bearer realm="http://0:${port}/"`,
      `Bearer realm="http://localhost:${port}/"`,
      `Bearer realm="http://localhost.:${port}/"`,
      `Bearer realm="http://[::ffff:127.0.0.1]:${port}/"`,
      `Bearer realm="http://169.254.169.254/latest/meta-data"`,
      `Bearer realm="http://${rig.origin.host}@127.0.0.1:${port}/"`,
      `Bearer realm="http://user:pass@${rig.origin.host}/token"`,
      'Bearer realm="file:///etc/passwd"',
      'Bearer realm="data:application/json,{}"',
      'Bearer realm="gopher://127.0.0.1:1/"',
      'Bearer realm=""',
      'Bearer service="here"',
      'Bearer realm="http://[bad"',
      'Bearer',
    ];
    const anonymous = [
      `Bearer realm="http://127.0.0.1:${port}/"`,
      `bearer REALM = "http://127.0.0.1:${port}/"`,
      `Bearer realm=http://127.0.0.1:${port}/`,
      `Bearer realm="//127.0.0.1:${port}/"`,
      `Bearer realm="http://127.1:${port}/"`,
      `Bearer realm="http://0x7f.1:${port}/"`,
      `Bearer realm="http://2130706433:${port}/"`,
      `Bearer realm="http:\\\\\\\\127.0.0.1:${port}\\\\"`,
      `Bearer realm="\\h\\ttp://127.0.0.1:${port}/"`,
      `Bearer realm="http://127.0.0.1:${port}/",realm="http://${rig.origin.host}/token"`,
      `Negotiate, Bearer realm="http://127.0.0.1:${port}/?a=b,c"`,
      `Bearer realm="http://127.0.0.1:${port}/#@${rig.origin.host}/"`,
      `Bearer realm="http://127.0.0.1:${port}?.${rig.origin.host}/token"`,
    ];
    for (realm of [...refused, ...anonymous]) {
      rig.arrived.length = 0;
      const { code, stderr } = await rig.run('push', ...fromArchive(rig), '--retries', '0');
      if (refused.includes(realm)) {
        assert.ok([10, 16].includes(code), `${realm}: ${code}\n${stderr}`);
        assert.deepEqual(rig.arrived, [], realm);
      } else {
        assert.equal(code, 0, `${realm}\n${stderr}`);
        assert.ok(rig.arrived.length > 0, realm);
        accepted.push(realm);
      }
    }
    assert.equal(accepted.length, anonymous.length);
  },
);

function fromArchive({ archive, origin }: Awaited<ReturnType<typeof startTwoOrigins>>) {
  return ['--from', `docker-archive:${archive}`, `${origin.host}/team/app:1`];
}

row(
  'Credentials',
  'CVE-2026-33990, GHSA-x2f5-332j-9xwq',
  'what an inner service answers in place of a token reaches neither the registry nor any output',
  async (t) => {
    const inner = 'root:$6$inner-secret:19000:0:99999:7:::';
    const answers: readonly (readonly [type: string, body: string])[] = [
      ['text/plain', inner],
      ['text/html', `<html>${inner}</html>`],
      ['application/json', JSON.stringify(inner)],
      ['application/json', JSON.stringify([{ token: inner }])],
      ['application/json', JSON.stringify({ AccessKeyId: inner })],
      ['application/json', JSON.stringify({ token: { value: inner } })],
      ['application/json', JSON.stringify({ token: `${inner}\r\nx: y` })],
      ['application/json', `{"token": "${inner}`],
      ['application/json', ''],
    ];
    let answer = answers[0];
    const sink: Scene['sink'] = (call) => {
      const [type = '', body = ''] = answer ?? [];
      call.answer(200, { 'content-type': type }, Buffer.from(body));
      return true;
    };
    const rig = await startTwoOrigins(t, scene('another port', { sink }));
    for (answer of answers) {
      const result = await rig.run('push', ...fromArchive(rig), '--retries', '0');
      assertRefused(result, 16, /token service/);
      assert.ok(!(result.stdout + result.stderr).includes('inner-secret'), result.stderr);
    }
    const atOrigin = JSON.stringify(rig.origin.seen);
    assert.ok(!atOrigin.includes('inner-secret'));
    assert.ok(rig.origin.seen.every(({ headers }) => headers.authorization === undefined));
  },
);

row(
  'Credentials',
  'CVE-2026-33990',
  'an answer without end in place of a token is cut off',
  async (t) => {
    const endless = await serveRaw(t, (socket) => {
      const piece = Buffer.alloc(65_536, 'x');
      socket.write('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{"token":"');
      const more = () => {
        while (!socket.destroyed && socket.write(piece));
      };
      socket.on('drain', more);
      socket.once('data', more);
    });
    const challenge = () => `Bearer realm="http://${endless}/"`;
    const rig = await startTwoOrigins(t, scene('another port', { challenge }));
    const result = await rig.run('push', ...fromArchive(rig), '--retries', '0');
    assertRefused(result, 17, /longer than|more than|at most/);
  },
);

row(
  'Credentials',
  'CVE-2019-10214',
  'behind a registry with TLS a token service without it is asked nothing at all',
  async (t) => {
    const rig = await startTwoOrigins(t);
    const origin = await startTlsOrigin(t, (_request, response) => {
      response.writeHead(401, {
        'www-authenticate': `Bearer realm="${rig.elsewhere}/login",service="here"`,
      });
      response.end();
    });
    await rig.slipway.knowPasswords({ [origin.host]: `${SECRETS.username}:${SECRETS.password}` });
    for (const policy of ['auto', 'same-site', 'any']) {
      const result = await rig.run(
        ...['push', '--from', `docker-archive:${rig.archive}`, `${origin.host}/team/app:1`],
        ...['--skip-tls-verify', origin.host, '--token-realm', policy],
      );
      assertRefused(result, 10, /not encrypted/);
    }
    assert.deepEqual(rig.arrived, []);
    assert.ok(origin.requests.length > 0);
    for (const request of origin.requests) assertNoMarker(request, 'the request');
  },
);
