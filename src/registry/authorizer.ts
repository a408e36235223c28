import { accountOf, type Credential, type CredentialLookup } from '../credentials/credential.ts';
import { isSlipwayError } from '../errors.ts';
import { orAborted } from '../http/abort.ts';
import { type Challenge, parseChallenges } from '../http/challenge.ts';
import type { Http, HttpResponse } from '../http/client.ts';
import type { RepositoryName } from '../oci/reference.ts';
import { formatScope, parseScopes, type Scope, unionScopes } from './scope.ts';
import { basicAuth, fetchToken, type Token } from './token.ts';
import type { TokenRealmPolicy } from './token-realm.ts';

interface Asking {
  readonly repository: RepositoryName;
  readonly scopes: readonly Scope[];
  readonly method: string;
  /** length of the body that goes with it; of a PATCH without one nothing is known */
  readonly bodyBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A refusal that a request got. */
interface Refusal {
  /** the Authorization header that the request carried */
  readonly sent: string | undefined;
  /** refusals that the request got before */
  readonly refusals: number;
}

/** Knows how one registry wants to be told who asks. */
export interface Authorizer {
  /** Tells what will be asked for later, so that one token can be fetched for all of it. */
  expect(scopes: readonly Scope[]): void;
  /** The Authorization header for a request, or undefined while nothing is known to be wanted. */
  header(asking: Asking): Promise<string | undefined>;
  /**
   * Learns from a refusal. True if asking again can help: a way to authenticate was found, or the
   * token may have run out.
   */
  learn(response: HttpResponse, asking: Asking, refusal: Refusal): Promise<boolean>;
  /** A request with this Authorization header was not refused. */
  accepted(sent: string | undefined, asking: Asking): void;
}

/** Is told each token of a login. */
export type OnLogin = (token: Pick<Token, 'identityToken'>) => void;

/** Makes the authorizer of one registry; credentials are looked up when they are first needed. */
export function createAuthorizer(
  http: Http,
  registry: URL,
  lookup: CredentialLookup,
  realmPolicy: TokenRealmPolicy,
  onLogin?: OnLogin,
): Authorizer {
  let challenge: Challenge | undefined;
  const tokens = new Map<string, Promise<Token>>();
  const extraScopes = new Map<string, readonly Scope[]>();
  let expected: readonly Scope[] = [];
  let isExpectationMet = true;
  const accepted = new Set<string>();

  const credentialFor = ({ repository }: Asking): Promise<Credential | undefined> =>
    lookup(repository);

  const ownScopes = ({ scopes }: Asking): readonly Scope[] =>
    unionScopes(extraScopes.get(keyOf(scopes)) ?? [], scopes);

  const scopesOf = (asking: Asking): readonly Scope[] =>
    isExpected(asking) ? unionScopes(ownScopes(asking), expected) : ownScopes(asking);

  const isExpected = ({ scopes }: Asking): boolean =>
    isExpectationMet &&
    expected.length <= MAX_EXPECTED &&
    scopes.some(({ name }) => expected.some((scope) => scope.name === name));

  const tokenFor = async (asking: Asking, known: Challenge): Promise<string> => {
    const isForMore = keyOf(scopesOf(asking)) !== keyOf(ownScopes(asking));
    try {
      return await tokenForAll(asking, known);
    } catch (error) {
      asking.signal?.throwIfAborted();
      const status = isSlipwayError(error) ? error.facts.status : undefined;
      // A wrong password is wrong for all; asking again may lock an account.
      if (!isForMore || status === undefined || status === 401) throw error;
      // One of the names may be none of its own, or several may be too many for it.
      isExpectationMet = false;
      return await tokenForAll(asking, known);
    }
  };

  const tokenForAll = async (asking: Asking, known: Challenge): Promise<string> => {
    const credential = await credentialFor(asking);
    if (credential?.registryToken !== undefined) return credential.registryToken;
    const scopes = scopesOf(asking);
    const key = tokenKey(credential, scopes);
    const cached = tokens.get(key);
    if (cached !== undefined) {
      const token = await orAborted(cached, asking.signal);
      const until = isLong(asking) ? token.renewForBodyAt : token.renewAt;
      if (performance.now() < until) return token.value;
    }
    let fetching = tokens.get(key);
    // While this one waited, another may have begun to renew it.
    if (fetching === undefined || fetching === cached) {
      // Shared by all who ask: no single one's signal may end it for the others.
      const fresh = fetchToken(http, {
        registry,
        challenge: known,
        scopes,
        credential,
        realmPolicy,
        isLogin: onLogin !== undefined,
      });
      if (onLogin !== undefined) fresh.then(onLogin, () => {});
      tokens.set(key, fresh);
      fresh.catch(() => {
        if (tokens.get(key) === fresh) tokens.delete(key);
      });
      fetching = fresh;
    }
    return (await orAborted(fetching, asking.signal)).value;
  };

  return {
    expect(scopes) {
      expected = unionScopes(expected, scopes);
    },

    async header(asking) {
      if (challenge === undefined) return undefined;
      if (challenge.scheme === 'bearer') return `Bearer ${await tokenFor(asking, challenge)}`;
      const credential = await credentialFor(asking);
      return credential === undefined ? undefined : basicAuth(credential);
    },

    async learn(response, asking, { sent, refusals }) {
      const found = pickChallenge(parseChallenges(response.headers('www-authenticate')));
      if (found !== undefined) challenge = found;
      // Tokens for this worked before: one that doesn't has run out, perhaps used up by others.
      const hasWorked = accepted.has(keyOf(asking.scopes));
      const most = hasWorked ? MAX_RENEWALS : MAX_REFUSALS;
      if (challenge === undefined || refusals >= most) return false;
      if (challenge.scheme === 'basic') {
        return sent === undefined && (await credentialFor(asking)) !== undefined;
      }
      const key = keyOf(asking.scopes);
      const before = keyOf(scopesOf(asking));
      const asked = parseScopes(found?.parameters.get('scope') ?? '');
      extraScopes.set(key, unionScopes(asked, extraScopes.get(key) ?? []));
      if (sent === undefined) return true;
      if (keyOf(scopesOf(asking)) !== before) return true;
      // The token may have run out: a fresh one is worth one try, and another's renewal is used.
      const credential = await credentialFor(asking);
      if (credential?.registryToken !== undefined) return false;
      const renewing = tokenKey(credential, scopesOf(asking));
      const current = await tokens.get(renewing)?.catch(() => undefined);
      if (current === undefined || `Bearer ${current.value}` !== sent) return true;
      tokens.delete(renewing);
      return refusals === 0 || hasWorked;
    },

    accepted(sent, asking) {
      if (sent !== undefined) accepted.add(keyOf(asking.scopes));
    },
  };
}

/** A registry that refuses one request more often than this means it. */
const MAX_REFUSALS = 3;
/** More scopes make a URL that servers refuse. */
const MAX_EXPECTED = 25;
const LONG_BODY_BYTES = 1024 * 1024;

function isLong({ method, bodyBytes }: Asking): boolean {
  return bodyBytes === undefined ? method === 'PATCH' : bodyBytes > LONG_BODY_BYTES;
}
/** The same where tokens are good for a few requests only, and many requests share one. */
const MAX_RENEWALS = 8;

/** Bearer before Basic: it is what a registry with a token service means; others are unknown. */
function pickChallenge(challenges: readonly Challenge[]): Challenge | undefined {
  return (
    challenges.find(({ scheme }) => scheme === 'bearer') ??
    challenges.find(({ scheme }) => scheme === 'basic')
  );
}

/** True for an answer that a login, or a token for more, may change. */
export function isAboutLogin(response: HttpResponse): boolean {
  return response.status === 401 || (response.status === 403 && lacksScope(response));
}

/** True if the registry says that the token is good, but not for this. */
export function lacksScope(response: HttpResponse): boolean {
  const challenges = parseChallenges(response.headers('www-authenticate'));
  return challenges.some(({ parameters }) => parameters.get('error') === 'insufficient_scope');
}

function tokenKey(credential: Credential | undefined, scopes: readonly Scope[]): string {
  return `${accountOf(credential)} ${keyOf(scopes)}`;
}

function keyOf(scopes: readonly Scope[]): string {
  return scopes.map(formatScope).sort().join(' ');
}
