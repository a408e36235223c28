import { createHash, createPrivateKey, sign, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { atEnd, type Owner, tempDir } from './lifetime.ts';
import { mustRun } from './programs.ts';

export interface TokenServerOptions {
  readonly users: Readonly<Record<string, string>>;
  /** how long a token is good for, as it also says */
  readonly lifeSeconds: number;
}

/** One token that was given. */
export interface GivenToken {
  /** empty for one that was asked for without a login */
  readonly user: string;
  /** what was asked for */
  readonly asked: readonly string[];
  /** the only thing that it is good for; a token may be good for nothing */
  readonly granted: string | undefined;
}

export interface TokenServer {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** what `auth: token` of a registry needs to believe its tokens, but for the realm */
  readonly trust: Readonly<Record<string, string>>;
  readonly given: readonly GivenToken[];
}

const SERVICE = 'the registry';
const ISSUER = 'the tests';
/** So long the registry believes a token that has run out. */
const LEEWAY_SECONDS = 60;

/**
 * Starts a token service whose tokens Debian's `docker-registry` believes (distribution, "Token
 * Authentication Implementation"). Its tokens are as narrow as such a service may make them: each is
 * good for the first scope that was asked for, and for no other.
 */
export async function startTokenServer(
  owner: Owner,
  { users, lifeSeconds }: TokenServerOptions,
): Promise<TokenServer> {
  const folder = await tempDir(owner);
  const at = (file: string) => path.join(folder, file);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const files = ['-keyout', at('key'), '-out', at('cert'), '-subj', `/CN=${ISSUER}`, '-days', '2'];
  await mustRun('openssl', ['req', '-x509', ...key, ...files]);
  const signingKey = createPrivateKey(await readFile(at('key')));
  const { publicKey } = new X509Certificate(await readFile(at('cert')));
  const kid = keyId(publicKey.export({ type: 'spki', format: 'der' }));
  const given: GivenToken[] = [];
  const base64 = (json: unknown) => Buffer.from(JSON.stringify(json)).toString('base64url');

  const tokenFor = (user: string, scope: string | undefined): string => {
    const [type, name, actions = ''] = scope?.split(':') ?? [];
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      ...{ iss: ISSUER, aud: SERVICE, sub: user, jti: `${given.length}`, iat: now },
      ...{ nbf: now - LEEWAY_SECONDS, exp: now + lifeSeconds - LEEWAY_SECONDS },
      access: scope === undefined ? [] : [{ type, name, actions: actions.split(',') }],
    };
    const text = `${base64({ typ: 'JWT', alg: 'ES256', kid })}.${base64(claims)}`;
    const signature = sign('sha256', Buffer.from(text), {
      key: signingKey,
      dsaEncoding: 'ieee-p1363',
    });
    return `${text}.${signature.toString('base64url')}`;
  };

  const server = http.createServer((request, response) => {
    const answer = (status: number, json: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(json));
    };
    const [, basic = ''] = /^Basic (.+)$/.exec(request.headers.authorization ?? '') ?? [];
    const [user = '', ...rest] = Buffer.from(basic, 'base64').toString().split(':');
    if (basic !== '' && (!Object.hasOwn(users, user) || users[user] !== rest.join(':'))) {
      return answer(401, { errors: [{ code: 'UNAUTHORIZED', message: 'wrong password' }] });
    }
    const { searchParams } = new URL(request.url ?? '', 'http://x');
    if (searchParams.get('service') !== SERVICE) return answer(400, {});
    const asked = searchParams.getAll('scope');
    // Nobody in particular may do nothing.
    const granted = user === '' ? undefined : asked[0];
    given.push({ user, asked, granted });
    answer(200, { token: tokenFor(user, granted), expires_in: lifeSeconds });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(owner, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    trust: { service: SERVICE, issuer: ISSUER, rootcertbundle: at('cert') },
    given,
  };
}

/** The registry's name of a key: 240 bits of its hash, base32 in groups of four. */
function keyId(publicKey: Buffer): string {
  const bits = [...createHash('sha256').update(publicKey).digest().subarray(0, 30)]
    .map((byte) => byte.toString(2).padStart(8, '0'))
    .join('');
  const letters = bits.match(/.{5}/g) ?? [];
  const text = letters.map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)]);
  return text.join('').match(/.{4}/g)?.join(':') ?? '';
}
