import type { Command } from 'commander';
import { keepLogin } from '../../bytes/secrets.ts';
import { dockerConfigCredentials } from '../../credentials/config-credentials.ts';
import type { Credential } from '../../credentials/credential.ts';
import { dockerConfigPath } from '../../credentials/docker-config.ts';
import { type KeepOptions, storeLogin } from '../../credentials/kept-logins.ts';
import { isSlipwayError, SlipwayError } from '../../errors.ts';
import { DOCKER_HUB } from '../../oci/reference.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context, RegistryFlags } from '../context.ts';
import { helperTimeoutMs } from '../credentials.ts';
import { addConnectionFlags, addHelperFlags } from '../flags.ts';
import { safeLine } from '../output.ts';
import { readPassword } from '../password.ts';
import { canAsk, openPrompts } from '../prompt.ts';
import { parseServer } from '../server.ts';

interface LoginFlags extends Omit<RegistryFlags, 'creds' | 'identity'> {
  readonly username?: string;
  readonly password?: string;
  readonly passwordStdin?: boolean;
  readonly email?: string;
}

const INSECURE = 'WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n';

/** `slipway login [SERVER]` */
export function command(cli: Cli): Command {
  const login = newCommand('login', 'log in to a registry')
    .argument('[SERVER]', 'HOST[:PORT]; Docker Hub without it')
    .option('-u, --username <NAME>', 'the user name')
    .option('-p, --password <PASSWORD>', 'the password or token: others can see it; - reads it')
    .option('--password-stdin', 'read the password from standard input')
    .option('-e, --email <EMAIL>', 'ignored: registries no longer ask for it');
  return addConnectionFlags(addHelperFlags(login, 'keep the login in FILE instead'))
    .addHelpText(
      'after',
      `
The login is tried first, then kept as docker keeps it: by the credential helper that the docker
config names for the registry, else in that file. Without a user name and password the login that is
kept is tried again, then they are asked for.

Examples:
  slipway login registry.example.com
  aws ecr get-login-password | slipway login --username AWS --password-stdin HOST`,
    )
    .action(async (server: string | undefined, flags: LoginFlags) => {
      const host = parseServer(server);
      checkFlags(flags);
      if (flags.email !== undefined) cli.output.err('--email is ignored: nobody asks for it\n');
      const isRead = flags.passwordStdin === true || flags.password === '-';
      if (flags.password !== undefined && !isRead) cli.output.err(INSECURE);
      const password = isRead ? await readPassword(process.stdin, cli.signal) : flags.password;
      keepLogin(flags.username ?? '', password ?? '');
      const given = { username: flags.username, password };
      await run(cli, { ...flags, ownLogin: true }, [host], (context) =>
        logIn(context, host, given, flags),
      );
    });
}

function checkFlags({ username, password, passwordStdin }: LoginFlags): void {
  const usage = (message: string, hint?: string): SlipwayError =>
    new SlipwayError('USAGE', message, hint === undefined ? {} : { hint });
  if (passwordStdin === true && password !== undefined) {
    throw usage('conflicting options: cannot specify both --password and --password-stdin');
  }
  if ((passwordStdin === true || password === '-') && username === undefined) {
    throw usage('the --password-stdin option requires --username to be set');
  }
  if (username !== undefined) checkUsername(username);
  if (password?.trim() === '') throw usage('password is empty');
}

function checkUsername(username: string): void {
  if (username.trim() === '') throw new SlipwayError('USAGE', 'username is empty');
  if (username.includes(':')) throw new SlipwayError('USAGE', 'username cannot contain colons');
}

interface Given {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

async function logIn(
  context: Context,
  host: string,
  given: Given,
  flags: LoginFlags,
): Promise<void> {
  const { output, emit, signal } = context;
  const path = flags.authfile ?? dockerConfigPath();
  const keeping: KeepOptions = {
    signal,
    timeoutMs: helperTimeoutMs(flags),
    warn: (message) => emit({ type: 'warning', message }),
  };
  const registries = await context.registries();
  const isGiven = given.username !== undefined || given.password !== undefined;
  const kept = isGiven ? undefined : await keptLogin(path, host, keeping);
  let credential: Credential | undefined;
  let result: Awaited<ReturnType<typeof registries.login>> | undefined;
  if (kept !== undefined) {
    const name = safeLine(kept.username);
    output.err(`Authenticating with existing credentials... [Username: ${name}]\n`);
    try {
      result = await registries.login(host, kept, { signal });
      credential = kept;
    } catch (error) {
      if (!isSlipwayError(error, 'AUTH_REQUIRED') || !canAsk()) throw error;
      output.err(`Login did not succeed, error: ${safeLine(error.message)}\n`);
    }
  }
  if (credential === undefined || result === undefined) {
    credential = await completed(given, signal);
    result = await registries.login(host, credential, { signal });
  }
  const { identityToken, isAsked } = result;
  if (!isAsked) output.err(`${host} lets everybody in: the password was not checked\n`);
  const keep =
    identityToken === undefined ? credential : { ...credential, password: '', identityToken };
  const helper = await storeLogin(path, host, keep, keeping);
  if (helper === undefined) {
    output.err(
      `\nWARNING! Your credentials are stored unencrypted in '${path}'.\nConfigure a credential helper to remove this warning. See\nhttps://docs.docker.com/go/credential-store/\n\n`,
    );
  }
  warnOfOthers(context, host, flags);
  output.out('Login Succeeded\n');
}

async function keptLogin(
  path: string,
  host: string,
  options: KeepOptions,
): Promise<Credential | undefined> {
  const found = await dockerConfigCredentials(path, options)({ host, path: '' });
  // A bare token can be used, but not be kept anew.
  return found?.registryToken === undefined ? found : undefined;
}

/** Asks for what is missing. */
async function completed(given: Given, signal: AbortSignal): Promise<Credential> {
  if (given.username !== undefined && given.password !== undefined) {
    return { username: given.username, password: given.password };
  }
  if (!canAsk()) {
    throw new SlipwayError('USAGE', 'cannot perform an interactive login from a non-TTY device', {
      hint: 'give the password on standard input: slipway login -u NAME --password-stdin HOST',
    });
  }
  const prompts = openPrompts(process.stdout, signal);
  try {
    const username = given.username ?? (await prompts.ask('Username: ')).trim();
    checkUsername(username);
    const password = given.password ?? (await prompts.askHidden('Password: ')).trim();
    if (password === '') throw new SlipwayError('USAGE', 'password is empty');
    keepLogin(username, password);
    return { username, password };
  } finally {
    prompts.close();
  }
}

const FIRST = ['SLIPWAY_USERNAME', 'DOCKER_AUTH_CONFIG', 'REGISTRY_AUTH_FILE'] as const;

/** What was kept isn't used where something else is asked first. */
function warnOfOthers({ emit }: Context, host: string, { authfile }: LoginFlags): void {
  if (authfile !== undefined) return;
  const isJob = process.env.CI_REGISTRY === host && Boolean(process.env.CI_JOB_TOKEN);
  const set = [...FIRST.filter((name) => process.env[name]), ...(isJob ? ['CI_REGISTRY'] : [])];
  for (const name of set) {
    const message = `${name} is set, and goes before what was kept now where it is for ${host === DOCKER_HUB ? 'Docker Hub' : host}`;
    emit({ type: 'warning', message });
  }
}
