import { type ChildProcess, spawn } from 'node:child_process';
import { SlipwayError } from '../errors.ts';
import { parseJsonObject } from '../oci/json.ts';
import type { Credential } from './credential.ts';
import { helperProgram } from './program-path.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** How credential helpers are run. */
export interface HelperOptions {
  /** where PATH is looked up, and what a helper is given but for our own secrets */
  readonly env?: Environment;
  /** a helper that takes longer is ended; default 30,000 */
  readonly timeoutMs?: number | undefined;
  /** ends a helper that runs */
  readonly signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 30_000;
/** So long an agent that a helper started may hold its output after it has ended. */
const PIPE_MS = 1_000;
const MAX_REPLY_BYTES = 1024 * 1024;
/** What docker's helpers print, and end with 1, where they know of nothing. */
const NOT_FOUND = 'credentials not found in native keychain';
/** The user name that says that the secret is an identity token. */
const TOKEN_USER = '<token>';
/** Secrets that are for us and not for a helper. */
const OWN_SECRETS = ['SLIPWAY_PASSWORD', 'DOCKER_AUTH_CONFIG'];

/**
 * Asks a credential helper (docker-credential-helpers, "Development") for the login of a server;
 * undefined if it knows none.
 *
 * @throws SlipwayError `CONFIG_INVALID` if it can't be run, `COMMAND_FAILED` if it fails, hangs or
 * answers nonsense; nothing of what it printed is a part of the error
 */
export async function helperGet(
  name: string,
  server: string,
  options: HelperOptions = {},
): Promise<Credential | undefined> {
  const { code, reply } = await runHelper(name, 'get', server, options);
  if (code !== 0) {
    if (reply.toString('utf8').trim() === NOT_FOUND) return undefined;
    throw failed(name, `ended with status ${code}`);
  }
  const { Username = '', Secret = '' } = parsed(name, reply);
  if (typeof Username !== 'string' || typeof Secret !== 'string') throw nonsense(name);
  if (Username === '' && Secret === '') return undefined;
  if (Username !== TOKEN_USER) return { username: Username, password: Secret };
  return { username: TOKEN_USER, password: '', identityToken: Secret };
}

/** Lets a credential helper keep a login. Errors are those of {@link helperGet}. */
export async function helperStore(
  name: string,
  server: string,
  { username, password, identityToken }: Credential,
  options: HelperOptions = {},
): Promise<void> {
  const login =
    identityToken === undefined
      ? { Username: username, Secret: password }
      : { Username: TOKEN_USER, Secret: identityToken };
  const input = JSON.stringify({ ServerURL: server, ...login });
  const { code } = await runHelper(name, 'store', input, options);
  if (code !== 0) throw failed(name, `ended with status ${code} and stored nothing`);
}

/** Lets a credential helper forget a login; false if it knew none. Errors as before. */
export async function helperErase(
  name: string,
  server: string,
  options: HelperOptions = {},
): Promise<boolean> {
  const { code, reply } = await runHelper(name, 'erase', server, options);
  if (code === 0) return true;
  if (reply.toString('utf8').trim() === NOT_FOUND) return false;
  throw failed(name, `ended with status ${code} and erased nothing`);
}

function parsed(name: string, reply: Buffer) {
  try {
    return parseJsonObject(reply, 'the reply', MAX_REPLY_BYTES);
  } catch {
    throw nonsense(name);
  }
}

function nonsense(name: string): SlipwayError {
  return failed(name, 'answered something else than a login');
}

/** What it printed stays unsaid: it may be a secret. */
function failed(name: string, how: string): SlipwayError {
  const program = `docker-credential-${name}`;
  return new SlipwayError('COMMAND_FAILED', `the credential helper ${program} ${how}`, {
    hint: `${program} list, called by hand, shows whether it works`,
  });
}

interface Ended {
  /** its status, or the name of the signal that ended it */
  readonly code: number | string;
  readonly reply: Buffer;
}

async function runHelper(
  name: string,
  action: 'get' | 'store' | 'erase',
  input: string,
  { env = process.env, timeoutMs = TIMEOUT_MS, signal }: HelperOptions,
): Promise<Ended> {
  // A line break in a server's name would be a second line to helpers that read lines.
  if (action !== 'store' && /[\u0000-\u0020\u007f]/.test(input)) {
    throw new SlipwayError('CONFIG_INVALID', 'the name of a server holds control characters');
  }
  const program = await helperProgram(name, env.PATH);
  signal?.throwIfAborted();
  const child = spawn(program, [action], {
    env: Object.fromEntries(Object.entries(env).filter(([key]) => !OWN_SECRETS.includes(key))),
    // What it says on standard error may hold secrets, too.
    stdio: ['pipe', 'pipe', 'ignore'],
    // A group of its own, so that what it starts ends with it.
    detached: process.platform !== 'win32',
    windowsHide: true,
  });
  const onExit = () => endGroup(child);
  process.once('exit', onExit);
  try {
    return await ended(child, name, input, timeoutMs, signal);
  } catch (error) {
    endGroup(child);
    throw error;
  } finally {
    process.off('exit', onExit);
    // Something that it left behind may hold the pipe.
    child.stdout?.destroy();
    child.stdin?.destroy();
  }
}

async function ended(
  child: ChildProcess,
  name: string,
  input: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Ended> {
  const { promise, resolve, reject } = Promise.withResolvers<Ended>();
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  child.stdout?.on('data', (chunk: Buffer) => {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > MAX_REPLY_BYTES) reject(failed(name, 'answered more than any login is long'));
    else chunks.push(chunk);
  });
  child.on('error', (cause) =>
    reject(failed(name, "couldn't be started").with({ cause: new Error(cause.name) })),
  );
  let pipe: NodeJS.Timeout | undefined;
  const end = (code: number | null, by: string | null) =>
    resolve({ code: code ?? by ?? 'unknown', reply: Buffer.concat(chunks) });
  child.on('close', end);
  // What it left behind may hold the pipe.
  child.on('exit', (code, by) => {
    pipe = setTimeout(() => end(code, by), PIPE_MS);
  });
  // One that ends without reading shows it by its status.
  child.stdin?.on('error', () => {});
  child.stdin?.end(input);
  const onAbort = () => reject(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(
    () => reject(failed(name, `didn't answer within ${timeoutMs / 1000} s`)),
    timeoutMs,
  );
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    clearTimeout(pipe);
    signal?.removeEventListener('abort', onAbort);
  }
}

function endGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    if (process.platform === 'win32') child.kill('SIGKILL');
    else process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
