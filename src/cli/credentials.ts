import { keepLogin } from '../bytes/secrets.ts';
import { anonymous, type CredentialLookup } from '../credentials/credential.ts';
import type { GivenLogin } from '../credentials/given.ts';
import { findCredentials } from '../credentials/sources.ts';
import { SlipwayError } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { ProxyLookup } from '../http/proxies.ts';
import type { Route } from '../http/route.ts';
import { isHost } from '../oci/reference.ts';
import { canAsk, openPrompts } from './prompt.ts';

/** Options that say where credential helpers and logins are. */
export interface HelperFlags {
  readonly authfile?: string;
  /** seconds */
  readonly helperTimeout?: number;
}

/** Options that say who we are to registries. */
export interface CredentialFlags extends HelperFlags {
  /** `[HOST=]USER[:PASS]` */
  readonly creds?: readonly string[];
  readonly identity?: 'auto';
  /** the command itself says who it is: none are looked for */
  readonly ownLogin?: boolean;
}

/** What the search for credentials may use of a command. */
interface CommandRun {
  readonly emit: Emit;
  readonly signal: AbortSignal;
  /** what the command's own files say, before what the environment does */
  readonly more?: readonly CredentialLookup[];
}

/** The time limit of credential helpers. */
export function helperTimeoutMs({ helperTimeout }: HelperFlags): number | undefined {
  return helperTimeout === undefined ? undefined : helperTimeout * 1000;
}

/**
 * The credentials of a command: what it was given, then where tools for containers keep logins. Asks
 * at the terminal for a password that was left out.
 *
 * @param hosts the registries that the command names
 * @param proxy for exchanges of an identity
 * @throws SlipwayError `USAGE`, `CONFIG_INVALID`
 */
export async function commandCredentials(
  flags: CredentialFlags,
  hosts: readonly string[],
  { emit, signal, more = [] }: CommandRun,
  proxy?: ProxyLookup,
): Promise<CredentialLookup> {
  if (flags.ownLogin === true) return anonymous;
  const logins = (flags.creds ?? []).map((text) => parseCreds(text, hosts));
  for (const { username, password = '' } of logins) keepLogin(username, password);
  if (logins.some(({ password }) => password !== undefined)) {
    const message =
      'a password on the command line is insecure: others on this machine can see it; leave :PASS out of --creds to be asked for it, or set SLIPWAY_PASSWORD';
    emit({ type: 'warning', message });
  }
  const given: GivenLogin[] = [];
  for (const { host, username, password } of logins) {
    given.push({ host, username, password: password ?? (await askPassword(username, signal)) });
  }
  return findCredentials({
    given,
    hosts,
    authfile: flags.authfile,
    more: flags.identity === 'auto' ? [...more, await identityAtHand(emit, signal, proxy)] : more,
    signal,
    timeoutMs: helperTimeoutMs(flags),
    warn: (message) => emit({ type: 'warning', message }),
  });
}

/** Certificates are always checked here: an identity opens more than a registry. */
async function identityAtHand(
  emit: Emit,
  signal: AbortSignal,
  proxyFor?: ProxyLookup,
): Promise<CredentialLookup> {
  const { identityCredentials } = await import('../credentials/identity/identity.ts');
  const route = (url: URL): Route => {
    const proxy = proxyFor?.(url);
    return proxy === undefined ? {} : { proxy };
  };
  return identityCredentials({ route, emit, signal });
}

interface Creds {
  readonly host: string | undefined;
  readonly username: string;
  readonly password: string | undefined;
}

/**
 * A password may hold `=`: what stands before the first one is a host if this command names it, or
 * if it looks like one and nothing else.
 */
function parseCreds(text: string, hosts: readonly string[]): Creds {
  const equals = text.indexOf('=');
  const first = text.slice(0, Math.max(equals, 0));
  const isNamed = hosts.includes(first) || (isHost(first) && /\.|^localhost(?::|$)/.test(first));
  const login = isNamed ? text.slice(equals + 1) : text;
  const colon = login.indexOf(':');
  const username = colon < 0 ? login : login.slice(0, colon);
  if (username === '' || colon === login.length - 1) {
    throw new SlipwayError('USAGE', '--creds has an empty user name or password', {
      hint: 'write --creds [HOST=]USER[:PASS]; without :PASS the password is asked for',
    });
  }
  return {
    host: isNamed ? first : undefined,
    username,
    password: colon < 0 ? undefined : login.slice(colon + 1),
  };
}

async function askPassword(username: string, signal: AbortSignal): Promise<string> {
  if (!canAsk()) {
    throw new SlipwayError('USAGE', '--creds has no password, and there is no terminal to ask at', {
      hint: 'set SLIPWAY_USERNAME and SLIPWAY_PASSWORD, or log in before: slipway login --password-stdin',
    });
  }
  // Standard output is for results.
  const prompts = openPrompts(process.stderr, signal);
  try {
    const password = await prompts.askHidden(`Password of ${JSON.stringify(username)}: `);
    if (password !== '') return password;
    throw new SlipwayError('USAGE', 'password is empty');
  } finally {
    prompts.close();
  }
}
