import type { Credential, CredentialLookup } from '../credentials/credential.ts';
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
  /** The Authorization header for a request, or undefined while nothing is known to be wanted. */
  header(asking: Asking): Promise<string | undefined>;
  /**
   * Learns from a refusal. True if asking again can help: a way to authenticate was found, or the
   * token may have run out.
   */
  learn(response: HttpResponse, asking: Asking, refusal: Refusal): Promise<boolean>;
}

/** Makes the authorizer of one registry; credentials are looked up when they are first needed. */
export function createAuthorizer(
  http: Http,
  registry: URL,
  lookup: CredentialLookup,
  realmPolicy: TokenRealmPolicy,
): Authorizer {
  let challenge: Challenge | undefined;
  const tokens = new Map<string, Promise<Token>>();
  const extraScopes = new Map<string, readonly Scope[]>();

  const credentialFor = ({ repository }: Asking): Promise<Credential | undefined> =>
    lookup(repository);

  const scopesOf = (asking: Asking): readonly Scope[] =>
    unionScopes(extraScopes.get(keyOf(asking.scopes)) ?? [], asking.scopes);

  const tokenFor = async (asking: Asking, known: Challenge): Promise<string> => {
    const credential = await credentialFor(asking);
    if (credential?.registryToken !== undefined) return credential.registryToken;
    const scopes = scopesOf(asking);
    const key = tokenKey(credential, scopes);
    const cached = tokens.get(key);
    if (cached !== undefined) {
      const token = await orAborted(cached, asking.signal);
      if (performance.now() < token.renewAt) return token.value;
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
      });
      tokens.set(key, fresh);
      fresh.catch(() => {
        if (tokens.get(key) === fresh) tokens.delete(key);
      });
      fetching = fresh;
    }
    return (await orAborted(fetching, asking.signal)).value;
  };

  return {
    async header(asking) {
      if (challenge === undefined) return undefined;
      if (challenge.scheme === 'bearer') return `Bearer ${await tokenFor(asking, challenge)}`;
      const credential = await credentialFor(asking);
      return credential === undefined ? undefined : basicAuth(credential);
    },

    async learn(response, asking, { sent, refusals }) {
      const found = pickChallenge(parseChallenges(response.headers('www-authenticate')));
      if (found !== undefined) challenge = found;
      if (challenge === undefined || refusals >= MAX_REFUSALS) return false;
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
      return refusals === 0;
    },
  };
}

/** A registry that refuses one request more often than this means it. */
const MAX_REFUSALS = 3;

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
  return `${credential?.username ?? ''} ${keyOf(scopes)}`;
}

function keyOf(scopes: readonly Scope[]): string {
  return scopes.map(formatScope).sort().join(' ');
}
