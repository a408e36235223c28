import assert from 'node:assert/strict';
import path from 'node:path';
import { type Call, startFakeRegistry } from '../registry/fake-registry.ts';
import { tempDir } from '../rig/lifetime.ts';
import { row } from './rows.ts';
import {
  assertPublished,
  assertRefused,
  OTHERS,
  startTwoOrigins,
  type TwoOrigins,
} from './two-origins.ts';

/** Sends a request on, with its query. */
function sendOn(call: Call, elsewhere: string, status = 307, more = ''): true {
  const { pathname, search } = call.url;
  const query = more === '' ? search : `${search}${search === '' ? '?' : '&'}${more}`;
  call.answer(status, { location: `${elsewhere}${pathname}${query}` });
  return true;
}

/** The methods that came to the sink. */
function methods({ arrived }: TwoOrigins): readonly string[] {
  return [...new Set(arrived.map((request) => request.split(' ', 1)[0] ?? ''))].sort();
}

for (const other of OTHERS) {
  row(
    'Credentials',
    'CVE-2026-50151, GHSA-jxpm-75mh-9fp7',
    'an upload goes without a login to a Location on another host',
    async (t) => {
      const rig = await startTwoOrigins(t, {
        other,
        origin: async (call, elsewhere) => {
          if (call.what !== 'POST upload') return false;
          await call.serve((status, headers = {}) => {
            const [, session = ''] = /uploads\/([^/?]+)/.exec(headers.location ?? '') ?? [];
            // The sink holds the session that the origin opened.
            rig.sink.sessions.set(session, Buffer.alloc(0));
            call.answer(status, { ...headers, location: `${elsewhere}${headers.location}` });
          });
          return true;
        },
      });
      const result = await rig.push();
      for (const [digest, bytes] of rig.sink.blobs) rig.origin.blobs.set(digest, bytes);
      assertPublished(result, rig.origin);
      assert.deepEqual(methods(rig), ['PATCH', 'PUT']);
    },
  );

  for (const status of [307, 308]) {
    row(
      'Credentials',
      'GHSA-vh4v-2xq2-g5cg, CVE-2022-23538',
      'no login follows any method to another port or another name of the host',
      async (t) => {
        const rig = await startTwoOrigins(t, {
          other,
          origin: (call, elsewhere) => sendOn(call, elsewhere, status, 'X-Amz-Signature=presigned'),
        });
        // Everything is at the sink in the end, and was sent there without a login.
        assertPublished(await rig.push(), rig.sink);
        assert.deepEqual(methods(rig), ['HEAD', 'PATCH', 'POST', 'PUT']);
        const to = path.join(await tempDir(t), 'layout');
        const { code, stderr } = await rig.run(
          ...['copy', `docker://${rig.origin.host}/team/app:1`, `oci:${to}`],
        );
        assert.equal(code, 0, stderr);
        assert.deepEqual(methods(rig), ['GET', 'HEAD', 'PATCH', 'POST', 'PUT']);
        assert.doesNotMatch(stderr, /presigned/, 'signatures are not shown');
      },
    );
  }

  for (const status of [301, 302, 303]) {
    row(
      'Credentials',
      'GHSA-vh4v-2xq2-g5cg',
      'a write that is sent on without its body is refused',
      async (t) => {
        const rig = await startTwoOrigins(t, {
          other,
          origin: (call, elsewhere) =>
            call.what.startsWith('PUT') || call.what.startsWith('PATCH')
              ? sendOn(call, elsewhere, status)
              : false,
        });
        assertRefused(await rig.push('--retries', '0'), 16, new RegExp(`answered ${status}`));
        assert.deepEqual(rig.arrived, []);
      },
    );
  }

  row(
    'Credentials',
    'CVE-2024-45336, CVE-2023-45289, CVE-2025-4673',
    'each hop of a chain of redirects gets what belongs to its own origin, and nothing is restored',
    async (t) => {
      const third = await startFakeRegistry(t, (call) =>
        sendOn(call, `http://${rig.origin.host}`, 307, 'back=1'),
      );
      const rig = await startTwoOrigins(t, {
        other,
        origin: (call, elsewhere) =>
          call.what === 'GET tags' && !call.url.searchParams.has('back')
            ? sendOn(call, elsewhere)
            : false,
        sink: (call) => sendOn(call, `http://${third.host}`),
      });
      assertPublished(await rig.push(), rig.origin);
      const { code, stdout, stderr } = await rig.run('ls', `${rig.origin.host}/team/app`);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^1\b/m);
      assert.equal(rig.arrived.length, 1);
      assert.equal(third.seen.length, 1);
      assert.equal(third.seen[0]?.headers.authorization, undefined);
      // Back at the registry it is the registry's own login, as for every request there.
      const last = rig.origin.seen.find(({ path }) => path.includes('back=1'));
      assert.match(last?.headers.authorization ?? '', /^Basic /);
    },
  );

  row(
    'Credentials',
    'CVE-2020-15157, CVE-2026-49349, GHSA-qvqc-4c52-x6qp',
    'another host that asks for a login is given none',
    async (t) => {
      const rig = await startTwoOrigins(t, {
        other,
        origin: (call, elsewhere) => sendOn(call, elsewhere),
        sink: (call) => {
          call.answer(401, { 'www-authenticate': 'Basic realm="here"' });
          return true;
        },
      });
      assertRefused(await rig.push(), 10, /answered 401/);
      assert.ok(rig.arrived.length > 0);
    },
  );

  row(
    'Credentials',
    'CVE-2022-31151, CVE-2023-45143, CVE-2024-24758, CVE-2024-30260',
    'no cookie is kept, for the host that set it or any other',
    async (t) => {
      const set = { 'set-cookie': 'session=marker; Path=/' };
      const rig = await startTwoOrigins(t, {
        other,
        origin: async (call, elsewhere) => {
          assert.equal(call.request.headers.cookie, undefined);
          if (call.what === 'HEAD blob') return sendOn(call, elsewhere);
          await call.serve((status, headers, body) =>
            call.answer(status, { ...headers, ...set }, body),
          );
          return true;
        },
        sink: async (call) => {
          await call.serve((status, headers, body) =>
            call.answer(status, { ...headers, ...set }, body),
          );
          return true;
        },
      });
      assertPublished(await rig.push(), rig.origin);
      const again = await rig.push();
      assert.equal(again.code, 0, again.stderr);
      const all = [...rig.origin.seen, ...rig.sink.seen];
      assert.ok(all.every(({ headers }) => headers.cookie === undefined));
    },
  );
}
