import { join } from 'node:path';
import { keepLogin } from '../bytes/secrets.ts';
import type { Signalled } from '../content/transport.ts';
import { configCredentials } from '../credentials/config-credentials.ts';
import { type CredentialLookup, firstOf } from '../credentials/credential.ts';
import { dockerConfigReader } from '../credentials/docker-config.ts';
import { givenCredentials } from '../credentials/given.ts';

/** What a dimg command says about who we are. */
export interface DimgLogin {
  /** both or none has an effect, as werf has it */
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** the registry of REPO: nobody else is told */
  readonly host: string | undefined;
  /** the command removes images, which GitLab's job token may not */
  readonly isCleanup?: boolean;
}

const CLEANUP_USER = 'werf-cleanup';

/**
 * Who we are to registries in werf's words: `--registry-username` with `--registry-password`, for
 * the registry of REPO only; then the docker configuration in the folder `WERF_DOCKER_CONFIG`.
 * Undefined if neither says anything.
 */
export function dimgCredentials(
  { username, password, host, isCleanup = false }: DimgLogin,
  env: NodeJS.ProcessEnv,
  options: Signalled = {},
): CredentialLookup | undefined {
  const sources: CredentialLookup[] = [];
  if (username && password && host !== undefined) {
    keepLogin(username, password);
    sources.push(givenCredentials('--registry-username', [{ host, username, password }], [host]));
  }
  const cleaning = env.WERF_CLEANUP_REGISTRY_PASSWORD;
  if (isCleanup && cleaning && host !== undefined) {
    keepLogin(CLEANUP_USER, cleaning);
    const login = { host, username: CLEANUP_USER, password: cleaning };
    sources.push(givenCredentials('WERF_CLEANUP_REGISTRY_PASSWORD', [login], [host]));
  }
  const folder = env.WERF_DOCKER_CONFIG || env.DAPP_DOCKER_CONFIG;
  if (folder) {
    const read = dockerConfigReader(join(folder, 'config.json'), { mustExist: true });
    sources.push(configCredentials(read, options));
  }
  return sources.length === 0 ? undefined : firstOf(...sources);
}
