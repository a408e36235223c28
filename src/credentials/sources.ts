import { homedir } from 'node:os';
import { join } from 'node:path';
import { configCredentials } from './config-credentials.ts';
import { type CredentialLookup, firstOf } from './credential.ts';
import { dockerConfigPath, dockerConfigReader, type ReadOptions } from './docker-config.ts';
import {
  dockerAuthVariable,
  type Environment,
  gitlabJob,
  slipwayVariables,
} from './environment.ts';
import { type GivenLogin, givenCredentials } from './given.ts';
import type { HelperOptions } from './program.ts';

/** Where credentials may come from beside the user's own files and variables. */
export interface CredentialOptions extends HelperOptions, Pick<ReadOptions, 'warn'> {
  /** logins of `--creds` */
  readonly given?: readonly GivenLogin[];
  /** a docker config or podman's `auth.json`, which must be there */
  readonly authfile?: string | undefined;
  /** the registries at hand: a login without a host is for the only one of them */
  readonly hosts?: readonly string[];
  /** further sources, asked after those that were given for this run and before the environment's */
  readonly more?: readonly CredentialLookup[];
}

/**
 * Looks credentials up wherever tools for containers keep them; the first source that knows answers:
 * `given`, `authfile`, `SLIPWAY_USERNAME` and `SLIPWAY_PASSWORD`, `more`, GitLab's job, the
 * variables `DOCKER_AUTH_CONFIG` and `REGISTRY_AUTH_FILE`, docker's config file and podman's. Files
 * are read and helpers asked when a registry first wants a login. See `docs/credentials.md`.
 *
 * @throws SlipwayError `USAGE`, `CONFIG_INVALID`; from the lookup also `COMMAND_FAILED`,
 * `FILE_NOT_FOUND`
 */
export function findCredentials(options: CredentialOptions = {}): CredentialLookup {
  const { given = [], authfile, hosts = [], more = [], warn } = options;
  const env = options.env ?? process.env;
  const file = (path: string | undefined, mustExist = false): readonly CredentialLookup[] => {
    if (!path) return [];
    const read = dockerConfigReader(path, { mustExist, ...(warn === undefined ? {} : { warn }) });
    return [configCredentials(read, options)];
  };
  return firstOf(
    givenCredentials('--creds', given, hosts),
    ...file(authfile, true),
    slipwayVariables(env, hosts),
    ...more,
    gitlabJob(env),
    dockerAuthVariable(env, options),
    ...file(env.REGISTRY_AUTH_FILE, true),
    ...file(dockerConfigPath(env)),
    ...podmanAuthPaths(env).flatMap((path) => file(path)),
  );
}

/** Where podman, buildah and skopeo keep logins (containers-auth.json): for the session, for good. */
function podmanAuthPaths(env: Environment): readonly string[] {
  const uid = process.getuid?.();
  const session = env.XDG_RUNTIME_DIR
    ? [join(env.XDG_RUNTIME_DIR, 'containers', 'auth.json')]
    : uid === undefined
      ? []
      : [join('/run/containers', `${uid}`, 'auth.json')];
  const config = env.XDG_CONFIG_HOME || join(env.HOME || homedir(), '.config');
  return [...session, join(config, 'containers', 'auth.json')];
}
