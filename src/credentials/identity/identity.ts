import { type Emit, silent } from '../../events.ts';
import { orAborted } from '../../http/abort.ts';
import { createHttp } from '../../http/client.ts';
import type { RouteLookup } from '../../http/route.ts';
import type { Credential, CredentialLookup } from '../credential.ts';
import { gitlabJob } from '../environment.ts';
import { awsLogin } from './aws.ts';
import { azureLogin } from './azure.ts';
import { identityError } from './failures.ts';
import { githubLogin } from './github.ts';
import { googleLogin } from './google.ts';
import { type CloudRegistry, cloudRegistry } from './hosts.ts';
import type { ExchangeTools, Login } from './login.ts';
import { quayLogin } from './quay.ts';
import { renewing } from './renewing.ts';

export interface IdentityOptions {
  /** how hosts are reached by requests that no library makes */
  readonly route?: RouteLookup;
  /** told about registries for which no identity is at hand */
  readonly emit?: Emit;
  /** ends the waiting for exchanges */
  readonly signal?: AbortSignal | undefined;
  /** for a whole exchange; default 30,000 */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 30_000;

const CLOUDS: Readonly<Record<CloudRegistry['cloud'], string>> = {
  ecr: 'AWS',
  'ecr-public': 'AWS',
  google: 'Google',
  azure: 'Azure',
  github: 'GitHub',
  quay: 'Quay',
};

/**
 * Exchanges the identity at hand (a CI job's, a cloud machine's, a developer's login) for a login of
 * a cloud's registry: ECR, Artifact Registry, ACR, GHCR, Quay, and GitLab's for its own jobs. It
 * knows nothing of other hosts, and nothing where no identity is at hand. Each host's login is fetched once, and again shortly before
 * it runs out; it is printed and stored nowhere.
 *
 * The lookup throws SlipwayError `CONFIG_INVALID` (a library or a setting is missing),
 * `AUTH_REQUIRED`, `NETWORK`, `TLS`, `SERVER_ERROR`, `RATE_LIMITED`.
 */
export function identityCredentials(options: IdentityOptions = {}): CredentialLookup {
  const { emit = silent } = options;
  const lookups = new Map<string, () => Promise<Credential | undefined>>();
  return async (repository) => {
    const registry = cloudRegistry(repository.host, process.env.GITHUB_SERVER_URL || undefined);
    if (registry === undefined) return await gitlabJob(process.env)(repository);
    let lookup = lookups.get(registry.host);
    if (lookup === undefined) {
      const cloud = CLOUDS[registry.cloud];
      lookup = renewing(async () => {
        const login = await exchange(registry, cloud, options);
        if (login === undefined) {
          const message = `--identity auto found no ${cloud} identity here for ${registry.host}`;
          emit({ type: 'warning', message });
        }
        return login;
      });
      lookups.set(registry.host, lookup);
    }
    return await lookup();
  };
}

async function exchange(
  registry: CloudRegistry,
  cloud: string,
  { route, signal: ended, timeoutMs = TIMEOUT_MS }: IdentityOptions,
): Promise<Login | undefined> {
  const http = createHttp(route === undefined ? {} : { route });
  const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(ended ? [ended] : [])]);
  try {
    return await orAborted(loginAt(registry, { http, signal }), signal);
  } catch (error) {
    ended?.throwIfAborted();
    throw identityError(error, cloud, registry.host);
  } finally {
    await http.close();
  }
}

function loginAt(registry: CloudRegistry, tools: ExchangeTools): Promise<Login | undefined> {
  switch (registry.cloud) {
    case 'ecr':
    case 'ecr-public':
      return awsLogin(registry, tools);
    case 'google':
      return googleLogin(registry.host, tools);
    case 'azure':
      return azureLogin(registry.host, tools);
    case 'github':
      return githubLogin();
    case 'quay':
      return quayLogin(registry.host, tools);
  }
}
