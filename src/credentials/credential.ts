import type { RepositoryName } from '../oci/reference.ts';

/** Who we are to a registry. Values of this type never go into errors, events or logs. */
export interface Credential {
  readonly username: string;
  readonly password: string;
  /** an OAuth2 refresh token; used instead of the password where it is set */
  readonly identityToken?: string;
  /** a bearer token that is sent as it is */
  readonly registryToken?: string;
  /** `HOST/PATH` if it is for a part of the registry only */
  readonly scope?: string;
}

/** Finds the credential for a repository; undefined means that it knows none. */
export type CredentialLookup = (repository: RepositoryName) => Promise<Credential | undefined>;

/** Nobody in particular. */
export const anonymous: CredentialLookup = async () => undefined;

/**
 * Asks sources in their order; the first that knows a credential answers. A source that fails ends
 * the search: what it would have said must not be replaced by another's answer.
 */
export function firstOf(...sources: readonly CredentialLookup[]): CredentialLookup {
  return async (repository) => {
    for (const source of sources) {
      const found = await source(repository);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/**
 * The account that a credential is of, among those of one registry: what is remembered for one is
 * not used as another. Names like `<token>` and `_json_key` are shared by many.
 */
export function accountOf(credential: Credential | undefined): string {
  if (credential === undefined) return '';
  const { username, scope } = credential;
  return scope === undefined ? username : `${username} ${scope}`;
}
