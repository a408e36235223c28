import { SlipwayError } from '../errors.ts';
import type { CredentialLookup } from './credential.ts';
import { hostVariants } from './server-key.ts';

/** A login that was told to us, on the command line or in the environment. */
export interface GivenLogin {
  /** undefined: that of the one registry at hand */
  readonly host?: string | undefined;
  readonly username: string;
  readonly password: string;
}

/**
 * Logins for the hosts that they were given for.
 *
 * @param by who gave them, for errors
 * @param hosts those that are at hand: one without a host is for the only one of them
 * @throws SlipwayError `USAGE` if one has no host and there isn't exactly one at hand
 */
export function givenCredentials(
  by: string,
  logins: readonly GivenLogin[],
  hosts: readonly string[],
): CredentialLookup {
  const byHost = new Map(
    logins.map(({ host = onlyOne(by, hosts), username, password }) => [
      host,
      { username, password },
    ]),
  );
  return async ({ host }) =>
    hostVariants(host)
      .map((variant) => byHost.get(variant))
      .find((found) => found !== undefined);
}

/** A password is never offered to several registries: all but one of them would learn it. */
function onlyOne(by: string, hosts: readonly string[]): string {
  const [first, ...others] = new Set(hosts);
  if (first !== undefined && others.length === 0) return first;
  const many = first === undefined ? 'none' : `${others.length + 1}`;
  throw new SlipwayError('USAGE', `${by} doesn't say for which registry, and there is ${many}`, {
    hint: `say it: ${by === '--creds' ? '--creds HOST=USER' : 'SLIPWAY_REGISTRY=HOST'}`,
  });
}
