import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { row } from './rows.ts';
import { OTHERS, type Scene, startTwoOrigins } from './two-origins.ts';

const VALUE = 'marker-header-5Tv';

/** Ways to the sink. */
const WAYS: Readonly<Record<string, Scene>> = {
  'a redirect': {
    origin: (call, elsewhere) => {
      call.answer(307, { location: `${elsewhere}${call.url.pathname}${call.url.search}` });
      return true;
    },
  },
  'the Location of an upload': {
    origin: async (call, elsewhere) => {
      if (call.what !== 'POST upload') return false;
      call.answer(202, { location: `${elsewhere}/v2/team/app/blobs/uploads/x` });
      return true;
    },
  },
  'a token service': {
    login: 'bearer',
    challenge: (elsewhere) => `Bearer realm="${elsewhere}/token"`,
    sink: (call) => {
      call.answer(200, {}, { token: 'anonymous' });
      return true;
    },
  },
};

for (const other of OTHERS) {
  for (const [way, scene] of Object.entries(WAYS)) {
    row(
      'Credentials',
      'GHSA-whvf-jp7m-59f3',
      'headers that the user configured go to their registry and no further',
      async (t) => {
        const rig = await startTwoOrigins(t, { other, ...scene });
        await configure(rig.slipway.env, rig.origin.host);
        // What becomes of the push is told by other rows.
        const { stderr, stdout } = await rig.slipway.run([
          ...['push', '--from', `docker-archive:${rig.archive}`, `${rig.origin.host}/team/app:1`],
          ...['--retries', '0', '--token-realm', 'any', '--debug'],
        ]);
        const isFor = (name: string) => (request: string) => request.toLowerCase().includes(name);
        const own = rig.origin.seen.filter(({ headers }) => !headers.host?.startsWith('localhost'));
        assert.ok(
          own.some(({ headers }) => headers['x-api-key'] === VALUE),
          stderr,
        );
        assert.ok(
          own.some(({ headers }) => headers['x-gateway'] === VALUE),
          stderr,
        );
        // With `any` the realm is given the login; the headers still aren't for it.
        assert.ok(rig.arrived.length > 0, stderr);
        assert.ok(!rig.arrived.some(isFor(VALUE.toLowerCase())), 'a value at the other origin');
        assert.ok(!rig.arrived.some(isFor('x-api-key')) && !rig.arrived.some(isFor('x-gateway')));
        assert.ok(!(stdout + stderr).includes(VALUE));
      },
      { about: `${way} to ${other}` },
    );
  }
}

/** Headers of docker's config, and of a hosts.toml. */
async function configure(env: Readonly<Record<string, string>>, host: string): Promise<void> {
  const file = path.join(env.DOCKER_CONFIG ?? '', 'config.json');
  const config = JSON.parse(await readFile(file, 'utf8'));
  await writeFile(file, JSON.stringify({ ...config, HttpHeaders: { 'X-Api-Key': VALUE } }));
  const folder = path.join(env.SLIPWAY_CERTS_D ?? '', host);
  await mkdir(folder, { recursive: true });
  const toml = `server = "http://${host}"\n[header]\n"X-Gateway" = "${VALUE}"\n`;
  await writeFile(path.join(folder, 'hosts.toml'), toml);
}
