import { keepSecret } from '../../bytes/secrets.ts';
import { SlipwayError } from '../../errors.ts';
import { isLoopback } from '../../http/origin.ts';
import { askForToken } from './answers.ts';
import type { ExchangeTools } from './login.ts';

/** Whom a CI job can prove to that it is itself. */
export type TokenAudience = 'aws' | 'google' | 'azure' | 'quay';

/**
 * Variables in which a job finds a token that was made for one cloud (`id_tokens` of GitLab). Each
 * cloud has one of its own: a token that is meant for another must not be shown to it.
 */
const VARIABLES: Readonly<Record<TokenAudience, string>> = {
  aws: 'SLIPWAY_AWS_ID_TOKEN',
  google: 'SLIPWAY_GOOGLE_ID_TOKEN',
  azure: 'SLIPWAY_AZURE_ID_TOKEN',
  quay: 'SLIPWAY_QUAY_ID_TOKEN',
};

/** True if the CI job that this is has, or can get, a token (OpenID Connect) for a cloud. */
export function hasCiToken(whom: TokenAudience, env: NodeJS.ProcessEnv = process.env): boolean {
  return Boolean(env[VARIABLES[whom]]) || isActionsJob(env);
}

function isActionsJob(env: NodeJS.ProcessEnv): boolean {
  return Boolean(env.ACTIONS_ID_TOKEN_REQUEST_URL && env.ACTIONS_ID_TOKEN_REQUEST_TOKEN);
}

/**
 * The job's own token for a cloud: the one that it was given, else a fresh one of GitHub Actions.
 *
 * @param audience what a fresh one is made for
 * @throws SlipwayError `CONFIG_INVALID`, `AUTH_REQUIRED`, `NETWORK`, `TLS`
 */
export async function ciToken(
  whom: TokenAudience,
  audience: string,
  tools: ExchangeTools,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const given = env[VARIABLES[whom]];
  if (given) {
    keepSecret(given);
    return given;
  }
  const url = URL.parse(env.ACTIONS_ID_TOKEN_REQUEST_URL ?? '');
  if (url === null || !(url.protocol === 'https:' || isLoopback(url.hostname))) {
    throw new SlipwayError('CONFIG_INVALID', 'ACTIONS_ID_TOKEN_REQUEST_URL is no https URL', {
      hint: 'GitHub Actions sets it in jobs with `permissions: id-token: write`',
    });
  }
  url.searchParams.set('audience', audience);
  const permit = env.ACTIONS_ID_TOKEN_REQUEST_TOKEN;
  keepSecret(permit);
  const headers = { authorization: `Bearer ${permit}`, accept: 'application/json' };
  return await askForToken(
    {
      request: { method: 'GET', url, headers },
      field: 'value',
      refused: `GitHub Actions gave no token for ${audience}`,
      hint: 'does the job have `permissions: id-token: write`?',
    },
    tools,
  );
}
