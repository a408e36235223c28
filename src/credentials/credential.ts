import type { RepositoryName } from '../oci/reference.ts';

/** Who we are to a registry. Values of this type never go into errors, events or logs. */
export interface Credential {
  readonly username: string;
  readonly password: string;
  /** an OAuth2 refresh token; used instead of the password where it is set */
  readonly identityToken?: string;
  /** a bearer token that is sent as it is */
  readonly registryToken?: string;
}

/** Finds the credential for a repository; undefined means anonymous. */
export type CredentialLookup = (repository: RepositoryName) => Promise<Credential | undefined>;

/** Nobody in particular. */
export const anonymous: CredentialLookup = async () => undefined;
