import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dockerArchive, fileOf } from '../cli/archives.ts';
import { type CommandLine, prepareCommandLine } from '../cli/in-process.ts';
import { LAYERS } from '../cli/scene.ts';
import {
  type Call,
  type FakeRegistry,
  type Quirk,
  startFakeRegistry,
} from '../registry/fake-registry.ts';
import type { Owner } from '../rig/lifetime.ts';
import type { RunResult } from '../rig/programs.ts';

/** What must never arrive at the sink, or in any output. */
export const SECRETS = {
  username: 'marker-account',
  password: 'marker-password-7Qx',
  token: 'marker-token-8Zw',
  identityToken: 'marker-identity-9Yv',
} as const;

/** The second origin: another port of this machine, or the same port under another name. */
export const OTHERS = ['another port', 'another name'] as const;
export type Other = (typeof OTHERS)[number];

/** How the origin asks who is there. */
type Login = 'basic' | 'bearer';

export interface Scene {
  readonly other?: Other;
  /** default `basic` */
  readonly login?: Login;
  /** docker's config holds an identity token instead of a password */
  readonly hasIdentityToken?: boolean;
  /** what the origin answers to whoever is logged in; `elsewhere` is the sink's URL */
  readonly origin?: (call: Call, elsewhere: string) => ReturnType<Quirk>;
  /** the challenge for whoever isn't, instead of the one for `login` */
  readonly challenge?: (elsewhere: string) => string;
  readonly sink?: Quirk;
}

export interface TwoOrigins {
  readonly slipway: CommandLine;
  readonly origin: FakeRegistry;
  readonly sink: FakeRegistry;
  /** URL of the sink */
  readonly elsewhere: string;
  /** all that came to the sink: request lines, headers and bodies, decoded in every way we know */
  readonly arrived: string[];
  /** an image to push, with layers that aren't compressed and one file */
  readonly archive: string;
  /** Runs a command at debug level; nothing secret may have left when it is done. */
  run(...args: readonly string[]): Promise<RunResult>;
  /** Pushes the archive to `team/app:1` of the origin. */
  push(...args: readonly string[]): Promise<RunResult>;
}

/**
 * An origin that has our credentials and wants them, and a sink that must see none. Whatever a
 * command did, at the end the sink saw no secret, and no output held one.
 */
export async function startTwoOrigins(owner: Owner, scene: Scene = {}): Promise<TwoOrigins> {
  const { other = 'another port', login = 'basic' } = scene;
  const arrived: string[] = [];
  const atSink: Quirk = async (call) => {
    const { method, url, httpVersion, rawHeaders } = call.request;
    const head = [`${method} ${url} ${httpVersion}`, ...rawHeaders].join('\n');
    arrived.push(`${head}\n\n${(await call.body()).toString('latin1')}`);
    return await scene.sink?.(call);
  };
  const sinkServer = await startFakeRegistry(owner, atSink);
  let elsewhere = `http://${sinkServer.host}`;
  const origin = await startFakeRegistry(owner, async (call) => {
    // The same server under its other name: what comes here has left the origin.
    if (call.url.hostname === 'localhost') return await atSink(call);
    const { authorization } = call.request.headers;
    if (login === 'bearer' && call.url.pathname === '/token') {
      await call.body();
      call.answer(200, {}, { token: SECRETS.token });
      return true;
    }
    if (authorization === undefined || !authorization.startsWith(`${capital(login)} `)) {
      await call.body();
      const own = login === 'basic' ? 'Basic realm="here"' : `Bearer realm="/token",service="here"`;
      call.answer(401, { 'www-authenticate': scene.challenge?.(elsewhere) ?? own });
      return true;
    }
    return await scene.origin?.(call, elsewhere);
  });
  const port = origin.host.split(':')[1];
  if (other === 'another name') elsewhere = `http://localhost:${port}`;
  const slipway = await prepareCommandLine(owner);
  await writeLogin(slipway.env.DOCKER_CONFIG ?? '', origin.host, scene.hasIdentityToken === true);
  const archive = await fileOf(owner, 'app.tar', dockerArchive({ layers: LAYERS }));
  const run: TwoOrigins['run'] = async (...args) => {
    const result = await slipway.run([...args, '--debug']);
    for (const request of arrived) assertNothingSecret(request);
    assertNoMarker(result.stdout, 'standard output');
    assertNoMarker(result.stderr, 'standard error');
    assert.doesNotMatch(result.stderr, /bug of slipway/, 'every failure is explained');
    return result;
  };
  return {
    slipway,
    origin,
    sink: other === 'another name' ? origin : sinkServer,
    elsewhere,
    arrived,
    archive,
    run,
    push: (...args) =>
      run('push', '--from', `docker-archive:${archive}`, `${origin.host}/team/app:1`, ...args),
  };
}

async function writeLogin(folder: string, host: string, hasToken: boolean): Promise<void> {
  const { username, password, identityToken } = SECRETS;
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  const entry = hasToken ? { auth: '', username, identitytoken: identityToken } : { auth };
  await mkdir(folder, { recursive: true });
  const file = path.join(folder, 'config.json');
  await writeFile(file, JSON.stringify({ auths: { [host]: entry } }), { mode: 0o600 });
}

/** Asserts that a request says nothing of who we are. */
function assertNothingSecret(request: string): void {
  const [head = ''] = request.split('\n\n', 1);
  assert.doesNotMatch(head, /^(?:proxy-)?authorization$|^cookie$/im, 'a header that is a login');
  assertNoMarker(request, 'what arrived at the sink');
  // The account's name is nobody else's business either.
  assert.ok(!request.includes(SECRETS.username), 'the name of the account');
}

/** Asserts that a text holds no secret in any encoding. */
export function assertNoMarker(text: string, where: string): void {
  const wanted = [SECRETS.password, SECRETS.token, SECRETS.identityToken];
  for (const secret of wanted) {
    for (const form of encodings(secret)) {
      assert.ok(
        !text.toLowerCase().includes(form.toLowerCase()),
        `${where} holds ${form}:\n${text}`,
      );
    }
  }
}

/** A secret as it is, escaped for URLs, in hexadecimal, and in base64 behind anything. */
export function encodings(secret: string): readonly string[] {
  const inside = ['', 'x', 'xx'].flatMap((before) => {
    const bytes = Buffer.from(`${before}${secret}`);
    const first = Math.ceil((before.length * 8) / 6);
    const end = Math.floor((bytes.byteLength * 8) / 6);
    const both = ['base64', 'base64url'] as const;
    return both.map((kind) => bytes.toString(kind).slice(first, end));
  });
  return [
    ...new Set([
      secret,
      encodeURIComponent(secret),
      Buffer.from(secret).toString('hex'),
      ...inside,
    ]),
  ];
}

function capital(word: string): string {
  return `${word[0]?.toUpperCase()}${word.slice(1)}`;
}

/** Asserts that a failure was told with its exit code and in words that say what happened. */
export function assertRefused(result: RunResult, code: number, says: RegExp): void {
  assert.equal(result.code, code, result.stderr);
  assert.match(result.stderr, /^slipway: /m);
  assert.match(result.stderr, says);
}

/** Asserts that the image is whole in a registry. */
export function assertPublished(result: RunResult, { manifests, blobs }: FakeRegistry): void {
  assert.equal(result.code, 0, result.stderr);
  const manifest = manifests.get('team/app:1');
  assert.ok(manifest !== undefined, 'the tag is there');
  const { config, layers } = JSON.parse(manifest.bytes.toString());
  for (const { digest } of [config, ...layers]) assert.ok(blobs.has(digest), digest);
}
