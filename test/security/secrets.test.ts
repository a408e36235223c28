import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { dockerArchive, fileOf } from '../cli/archives.ts';
import { prepareCommandLine } from '../cli/in-process.ts';
import { LAYERS } from '../cli/scene.ts';
import { type Call, type Quirk, startFakeRegistry } from '../registry/fake-registry.ts';
import { tempDir } from '../rig/lifetime.ts';
import { startProxy } from '../rig/proxy.ts';
import { argumentsFor, commandsOf, takesRetries, writeProject } from './commands.ts';
import { MARKERS, secretsIn, secretsUnder } from './markers.ts';
import { row } from './rows.ts';

const { username, password } = MARKERS;
const BASIC = Buffer.from(`${username}:${password}`).toString('base64');

interface Scene {
  /** docker's config file, for the registry's host */
  readonly config: (host: string) => string;
  /** what the registry answers */
  readonly registry: (call: Call) => ReturnType<Quirk>;
  readonly env?: (t: TestContext, host: string) => Promise<Record<string, string>>;
  /** what the commands name instead of the registry's host */
  readonly host?: (host: string) => string;
  /** a pattern that some output must match, so that the case is known to reach what it is about */
  readonly shows: RegExp;
}

/** A helper that also writes down how it was started. */
const HELPER = `#!/bin/sh
tr '\\0' '\\n' < /proc/self/environ >> "$HELPER_LOG"
tr '\\0' '\\n' < /proc/$$/cmdline >> "$HELPER_LOG"
`;

async function helper(t: TestContext, lines: string): Promise<Record<string, string>> {
  const folder = await tempDir(t);
  await chmod(folder, 0o755);
  const file = path.join(folder, 'docker-credential-marker');
  await writeFile(file, `${HELPER}${lines}`, { mode: 0o755 });
  return { PATH: `${folder}:${process.env.PATH}`, HELPER_LOG: path.join(folder, 'log') };
}

/** Answers with all that the request held: what badly written servers do. */
async function echo(call: Call, status: number): Promise<true> {
  const { authorization = '' } = call.request.headers;
  const body = (await call.body()).toString('latin1').slice(0, 1_000);
  const said = `${authorization} ${decoded(authorization)} at ${call.url} with ${body}`;
  const detail = {
    Authorization: authorization,
    headers: call.request.headers,
    access_token: MARKERS.inner,
    nested: [
      {
        Password: MARKERS.inner,
        said,
        see: `https://u:${MARKERS.inner}@b.invalid/?s=${MARKERS.inner}`,
      },
    ],
  };
  call.answer(
    status,
    { 'set-cookie': `a=${MARKERS.inner}`, 'x-echo': encodeURIComponent(said) },
    {
      errors: [
        { code: 'DENIED', message: said, detail },
        { code: 'DENIED', message: decoded(authorization), detail: said },
      ],
    },
  );
  return true;
}

function decoded(authorization: string): string {
  const [, value = ''] = authorization.split(' ');
  return Buffer.from(value, 'base64').toString('utf8');
}

const auths = (host: string, entry: object, more: object = {}) =>
  JSON.stringify({ auths: { [host]: entry }, ...more });

/** Wants a bearer token of its own token service. */
async function bearer(call: Call, next: Quirk): Promise<boolean> {
  if (call.url.pathname === '/token') {
    await call.body();
    call.answer(200, {}, { token: MARKERS.token, refresh_token: MARKERS.identityToken });
    return true;
  }
  if (call.request.headers.authorization === `Bearer ${MARKERS.token}`)
    return (await next(call)) === true;
  await call.body();
  const realm = `/token?key=${MARKERS.query}`;
  call.answer(401, {
    'www-authenticate': `Bearer realm="${realm}",service="here",x="${MARKERS.inner}"`,
  });
  return true;
}

async function basic(call: Call, next: Quirk): Promise<boolean> {
  if (call.request.headers.authorization !== undefined) return (await next(call)) === true;
  await call.body();
  call.answer(401, { 'www-authenticate': 'Basic realm="here"' });
  return true;
}

/** Everything goes by a signed URL of the same server. */
async function signed(call: Call): Promise<boolean> {
  if (call.url.searchParams.has('X-Amz-Signature')) return false;
  if (call.what === 'POST upload') {
    await call.serve((status, headers = {}, body) => {
      const { location, ...others } = headers;
      const signedLocation = `${location}&X-Amz-Signature=${MARKERS.query}`;
      call.answer(
        status,
        location === undefined ? others : { ...others, location: signedLocation },
        body,
      );
    });
    return true;
  }
  if (!/^(?:GET|HEAD|PUT) (?:blob|manifest|tags)$/.test(call.what)) return false;
  const to = new URL(call.url);
  to.searchParams.set('X-Amz-Signature', MARKERS.query);
  to.searchParams.set('X-Amz-Credential', MARKERS.query);
  call.answer(307, { location: String(to) });
  return true;
}

const SCENES: Readonly<Record<string, Scene>> = {
  'a password and tokens that are accepted, and signed URLs': {
    config: (host) => auths(host, { auth: BASIC }),
    registry: (call) => bearer(call, signed),
    shows: /X-Amz-Signature=\*\*\*/,
  },
  'a password that is refused in words that hold it': {
    config: (host) =>
      auths(host, { auth: BASIC }, { HttpHeaders: { 'X-Api-Key': MARKERS.header } }),
    registry: (call) => basic(call, (one) => echo(one, 403)),
    shows: /DENIED: Basic \*\*\*/,
  },
  'a token that is refused in words that hold it': {
    config: (host) => auths(host, { auth: BASIC }),
    registry: (call) => bearer(call, (one) => echo(one, 400)),
    shows: /DENIED: Bearer \*\*\*/,
  },
  'an identity token that a token service repeats': {
    config: (host) => auths(host, { auth: '', identitytoken: MARKERS.identityToken }),
    registry: async (call) => {
      if (call.url.pathname === '/token') return await echo(call, 401);
      return await bearer(call, () => false);
    },
    shows: /\*\*\*/,
  },
  'a login of a helper': {
    config: () => JSON.stringify({ credsStore: 'marker' }),
    env: (t) => helper(t, `printf '{"Username":"${username}","Secret":"${MARKERS.helper}"}'\n`),
    registry: (call) => basic(call, (one) => echo(one, 403)),
    shows: /DENIED: Basic \*\*\*/,
  },
  'a helper that fails and prints a secret': {
    config: () => JSON.stringify({ credsStore: 'marker' }),
    env: (t) => helper(t, `echo '${MARKERS.helper}'; echo '${MARKERS.helper}' >&2; exit 1\n`),
    registry: (call) => basic(call, () => false),
    shows: /docker-credential-marker ended with status 1/,
  },
  'a config file with a mistake beside a secret': {
    config: (host) => `{"auths": {"${host}": {"auth": "${MARKERS.beside}" "${MARKERS.beside}"}}}`,
    registry: (call) => basic(call, () => false),
    shows: /config\.json/,
  },
  'an auth that is no login': {
    config: (host) => auths(host, { auth: Buffer.from(MARKERS.beside).toString('base64') }),
    registry: (call) => basic(call, () => false),
    shows: /config\.json/,
  },
  'a login in the environment': {
    config: () => '{}',
    env: async () => ({ SLIPWAY_USERNAME: username, SLIPWAY_PASSWORD: MARKERS.environment }),
    registry: (call) => basic(call, (one) => echo(one, 403)),
    shows: /DENIED: Basic \*\*\*/,
  },
  'a proxy with a password that refuses': {
    config: () => '{}',
    env: async (t) => {
      const proxy = await startProxy(t, { refuses: 407 });
      const url = proxy.url.replace('//', `//me:${encodeURIComponent(MARKERS.proxy)}@`);
      return { HTTPS_PROXY: url, HTTP_PROXY: url };
    },
    host: () => 'registry.invalid',
    registry: () => false,
    shows: /the proxy \S+ refuses the login/,
  },
  'a login in the name of the image': {
    config: () => '{}',
    host: (host) => `${username}:${MARKERS.userinfo}@${host}`,
    registry: () => false,
    shows: /\*\*\*@/,
  },
};

/** What has nothing to do with a registry is tried once. */
const OFFLINE =
  /^(?:load|save|tag|images|rmi|image (?!pull|push)\w+|registry \w+|demo|slug|jet (?:version|generate|cleanup|validate)|dimg (?:mrproper|(?:stages )?flush local))$/;

for (const [at, [name, scene]] of Object.entries(SCENES).entries()) {
  row(
    'Output',
    'CVE-2019-13509, GHSA-99qr-h2rp-65rc, GHSA-5jhf-2qmf-m8c5, CVE-2020-8564, CVE-2025-65965',
    'no command prints, stores or hands on a secret at debug level, wherever it stands',
    async (t) => {
      const slipway = await prepareCommandLine(t);
      const folder = slipway.env.DOCKER_CONFIG ?? '';
      const registry = await startFakeRegistry(t, scene.registry);
      const reports = await tempDir(t);
      await mkdir(folder, { recursive: true });
      await writeFile(path.join(folder, 'config.json'), scene.config(registry.host), {
        mode: 0o600,
      });
      const env: Record<string, string> = { ...(await scene.env?.(t, registry.host)) };
      const archive = await fileOf(t, 'app.tar', dockerArchive({ layers: LAYERS }));
      const host = scene.host?.(registry.host) ?? registry.host;
      const context = await tempDir(t);
      await writeProject(context, host);
      let all = '';
      for (const command of await commandsOf(slipway)) {
        if (at > 0 && OFFLINE.test(command)) continue;
        const args = argumentsFor(command, { host, archive, context, reports });
        assert.ok(args !== undefined, `${command} has no case in test/security/commands.ts`);
        const signal = command === 'registry serve' ? AbortSignal.abort() : undefined;
        const retries = (await takesRetries(slipway, command)) ? ['--retries', '0'] : [];
        const words = [...command.split(' '), '--debug', ...retries, ...args];
        const { stdout, stderr } = await slipway.run(words, signal, env);
        all += stdout + stderr;
        assert.deepEqual(secretsIn(stdout + stderr), [], `${command}\n${stdout}${stderr}`);
        assert.doesNotMatch(stderr, /bug of slipway|unknown option|missing required/, command);
      }
      assert.match(all, scene.shows);
      assert.deepEqual(await secretsUnder(slipway.home), []);
      assert.deepEqual(await secretsUnder(reports), []);
      if (env.HELPER_LOG !== undefined) {
        const started = await readFile(env.HELPER_LOG, 'utf8');
        assert.match(started, /^docker-credential-marker$|\/docker-credential-marker$/m);
        assert.deepEqual(secretsIn(started), []);
      }
    },
    { about: name },
  );
}

test('the search finds a secret in every encoding', () => {
  assert.deepEqual(secretsIn('nothing'), []);
  for (const [place, secret] of Object.entries(MARKERS)) {
    if (place === 'username') continue;
    for (const text of [
      secret,
      JSON.stringify({ secret }),
      encodeURIComponent(secret).toLowerCase(),
      Buffer.from(`me:${secret}`).toString('base64'),
      Buffer.from(`{"a":"${secret}"}`).toString('base64url'),
    ]) {
      assert.deepEqual(secretsIn(`x${text}y`), [place]);
    }
  }
});
