import { keepSecret } from '../bytes/secrets.ts';
import type { Credential } from '../credentials/credential.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Challenge } from '../http/challenge.ts';
import type { Http, HttpResponse } from '../http/client.ts';
import { parseJsonObject } from '../oci/json.ts';
import { DOCKER_HUB } from '../oci/reference.ts';
import { registryError } from './errors.ts';
import { formatScope, type Scope } from './scope.ts';
import { judgeRealm, type TokenRealmPolicy } from './token-realm.ts';

/** A bearer token, and when it should be renewed; times are of `performance.now()`. */
export interface Token {
  readonly value: string;
  /** after this a new one is fetched: 60 % of its life */
  readonly renewAt: number;
  /** after this no long body is begun with it */
  readonly renewForBodyAt: number;
  /** stands for the password from now on, where the service gave one */
  readonly identityToken?: string;
}

export interface TokenRequest {
  /** the registry's own URL */
  readonly registry: URL;
  readonly challenge: Challenge;
  readonly scopes: readonly Scope[];
  readonly credential: Credential | undefined;
  readonly realmPolicy: TokenRealmPolicy;
  /** The token is to prove the credential: without it none is fetched, and an identity token is asked for. */
  readonly isLogin?: boolean;
}

const MAX_TOKEN_BYTES = 1024 * 1024;
const DEFAULT_LIFE_SECONDS = 60;
/** What a token should be good for when a long body begins, where it lives longer than that. */
const BODY_SECONDS = 90;
const CLIENT_ID = 'slipway';

/**
 * Fetches a token from the service that a Bearer challenge names (distribution, token
 * authentication): by GET with Basic, or by POST for an identity token.
 *
 * @throws SlipwayError `AUTH_REQUIRED`, `AUTH_REALM_REFUSED`, `NOT_A_REGISTRY`, `NETWORK`, `TLS`
 */
export async function fetchToken(http: Http, request: TokenRequest): Promise<Token> {
  const { registry, challenge } = request;
  const realm = realmOf(challenge, registry);
  const isTrusted = judgeRealm(registry, realm, request.realmPolicy) === 'trusted';
  const isLogin = request.isLogin === true;
  // A token for anybody proves nothing.
  if (isLogin && !isTrusted) throw realmUntrusted(realm, registry);
  const credential = isTrusted ? request.credential : undefined;
  const startedAt = performance.now();
  const identityToken = credential?.identityToken;
  let response: HttpResponse;
  if (identityToken !== undefined) {
    const body = new URLSearchParams({
      grant_type: 'refresh_token',
      refresh_token: identityToken,
      service: challenge.parameters.get('service') ?? '',
      client_id: CLIENT_ID,
    });
    if (request.scopes.length > 0) body.set('scope', request.scopes.map(formatScope).join(' '));
    response = await http.send({
      method: 'POST',
      url: realm,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: Buffer.from(body.toString()),
    });
  } else {
    const url = new URL(realm);
    const service = challenge.parameters.get('service');
    if (service !== undefined) url.searchParams.set('service', service);
    for (const scope of request.scopes) url.searchParams.append('scope', formatScope(scope));
    if (credential !== undefined) url.searchParams.set('account', credential.username);
    if (isLogin) {
      url.searchParams.set('client_id', CLIENT_ID);
      url.searchParams.set('offline_token', 'true');
    }
    response = await http.send({
      method: 'GET',
      url,
      ...(credential === undefined ? {} : { headers: { authorization: basicAuth(credential) } }),
    });
  }
  if (response.status !== 200) throw await refused(response, request, isTrusted);
  return await readToken(response, registry, startedAt);
}

/** The header of Basic authentication (RFC 7617). */
export function basicAuth({ username, password }: Credential): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function realmOf(challenge: Challenge, registry: URL): URL {
  const realm = challenge.parameters.get('realm') ?? '';
  try {
    // Without a base an empty realm is no URL; with one it would be the registry's own front page.
    return realm === '' ? new URL(realm) : new URL(realm, registry);
  } catch {
    throw new SlipwayError('NOT_A_REGISTRY', `${registry.host} names no token service`, {
      host: registry.host,
    });
  }
}

async function refused(
  response: HttpResponse,
  { registry, credential }: TokenRequest,
  isTrusted: boolean,
): Promise<SlipwayError> {
  const error = await registryError(response, { host: registry.host });
  if (isSlipwayError(error, 'AUTH_REQUIRED', 'DENIED')) {
    return new SlipwayError(
      'AUTH_REQUIRED',
      credential === undefined
        ? `${registry.host} wants a login`
        : `${registry.host} refused the credentials of ${JSON.stringify(credential.username)}`,
      { ...error.facts, ...(isTrusted ? loginHint(registry) : realmHint(response.url, registry)) },
    );
  }
  return error;
}

function loginHint(registry: URL): { hint: string } {
  return { hint: `log in with: slipway login ${loginName(registry)}` };
}

/** Docker Hub answers under another name than it is called by. */
function loginName({ host }: URL): string {
  return host === 'registry-1.docker.io' ? DOCKER_HUB : host;
}

function realmUntrusted(realm: URL, registry: URL): SlipwayError {
  return new SlipwayError(
    'AUTH_REALM_REFUSED',
    `${registry.host} sends logins to ${realm.host}, which is not known to belong to it`,
    {
      host: registry.host,
      hint: `nothing was sent there; if you trust ${realm.host}, say --token-realm any`,
    },
  );
}

function realmHint(realm: URL, registry: URL): { hint: string } {
  return {
    hint: `the login service ${realm.host} belongs to another site than ${registry.host} and was asked without credentials; if you trust it, say --token-realm any`,
  };
}

async function readToken(response: HttpResponse, registry: URL, startedAt: number): Promise<Token> {
  let json: ReturnType<typeof parseJsonObject>;
  try {
    json = parseJsonObject(await response.read(MAX_TOKEN_BYTES), 'the token', MAX_TOKEN_BYTES);
  } catch (cause) {
    if (isSlipwayError(cause, 'NETWORK', 'LIMIT_EXCEEDED')) throw cause;
    // Nothing of the answer is quoted: it may be a secret of an inner service.
    throw new SlipwayError(
      'NOT_A_REGISTRY',
      `the token service of ${registry.host} answers no JSON`,
      {
        host: registry.host,
      },
    );
  }
  const value = json.token || json.access_token;
  // What may stand in a header and nothing else.
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) {
    throw new SlipwayError(
      'NOT_A_REGISTRY',
      `the token service of ${registry.host} sent no token`,
      {
        host: registry.host,
      },
    );
  }
  const identityToken = typeof json.refresh_token === 'string' ? json.refresh_token : '';
  keepSecret(value, identityToken);
  const life = json.expires_in;
  const seconds = typeof life === 'number' && life > 0 ? life : DEFAULT_LIFE_SECONDS;
  const renewAt = startedAt + seconds * 600;
  const sparedSeconds = seconds > BODY_SECONDS ? seconds - BODY_SECONDS : seconds;
  const renewForBodyAt = Math.min(renewAt, startedAt + sparedSeconds * 1000);
  return { value, renewAt, renewForBodyAt, ...(identityToken === '' ? {} : { identityToken }) };
}
