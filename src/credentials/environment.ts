import { isJsonObject } from '../oci/json.ts';
import { isHost } from '../oci/reference.ts';
import { configCredentials } from './config-credentials.ts';
import { anonymous, type CredentialLookup } from './credential.ts';
import { configInvalid, type DockerConfig, parseDockerConfig } from './docker-config.ts';
import { givenCredentials } from './given.ts';
import type { HelperOptions } from './program.ts';

/** Variables of the environment; an empty one is unset. */
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * `SLIPWAY_USERNAME` and `SLIPWAY_PASSWORD`, for `SLIPWAY_REGISTRY` or the one registry at hand.
 *
 * @throws SlipwayError `USAGE`, `CONFIG_INVALID`
 */
export function slipwayVariables(env: Environment, hosts: readonly string[]): CredentialLookup {
  const { SLIPWAY_USERNAME: username, SLIPWAY_PASSWORD: password } = env;
  if (!username && !password) return anonymous;
  if (!username || !password) {
    const [set, unset] = username ? ['USERNAME', 'PASSWORD'] : ['PASSWORD', 'USERNAME'];
    throw configInvalid(`SLIPWAY_${set}`, `is set, and SLIPWAY_${unset} is not`, {
      hint: 'set both or none',
    });
  }
  const host = env.SLIPWAY_REGISTRY || undefined;
  if (host !== undefined && !isHost(host)) {
    throw configInvalid('SLIPWAY_REGISTRY', 'is no HOST[:PORT]', { hint: 'for example ghcr.io' });
  }
  return givenCredentials('SLIPWAY_USERNAME', [{ host, username, password }], hosts);
}

/**
 * What GitLab gives a CI job for its own registry, and for no other: `CI_REGISTRY_USER` with
 * `CI_REGISTRY_PASSWORD`, or the job's token; none with `WERF_IGNORE_CI_DOCKER_AUTOLOGIN`.
 */
export function gitlabJob(env: Environment): CredentialLookup {
  const { CI_REGISTRY: host = '', CI_REGISTRY_USER, CI_REGISTRY_PASSWORD, CI_JOB_TOKEN } = env;
  const isIgnored = env.WERF_IGNORE_CI_DOCKER_AUTOLOGIN || env.DAPP_IGNORE_CI_DOCKER_AUTOLOGIN;
  if (!isHost(host) || isIgnored) return anonymous;
  const given = (username: string, password: string) =>
    givenCredentials('CI_REGISTRY', [{ host, username, password }], []);
  if (CI_REGISTRY_USER && CI_REGISTRY_PASSWORD)
    return given(CI_REGISTRY_USER, CI_REGISTRY_PASSWORD);
  return CI_JOB_TOKEN ? given('gitlab-ci-token', CI_JOB_TOKEN) : anonymous;
}

/**
 * `DOCKER_AUTH_CONFIG`: the text of a docker config, as docker and GitLab take it.
 *
 * @throws SlipwayError `CONFIG_INVALID` (from the lookup), also for a login without content
 */
export function dockerAuthVariable(env: Environment, options: HelperOptions): CredentialLookup {
  const text = env.DOCKER_AUTH_CONFIG;
  if (!text) return anonymous;
  const read = async (): Promise<DockerConfig> => {
    const config = parseDockerConfig(new TextEncoder().encode(text), 'DOCKER_AUTH_CONFIG');
    for (const [host, login] of Object.entries(config.auths)) {
      const isLogin = isJsonObject(login) && LOGIN_FIELDS.some((field) => Boolean(login[field]));
      if (!isLogin) throw configInvalid(config.where, `the login of ${host} has no "auth"`, MEND);
    }
    return config;
  };
  let config: Promise<DockerConfig> | undefined;
  return configCredentials(() => {
    config ??= read();
    return config;
  }, options);
}

const LOGIN_FIELDS = ['auth', 'username', 'identitytoken', 'registrytoken'];
const MEND = { hint: 'mend the variable, or unset it' };
