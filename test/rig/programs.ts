import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { atEnd, type Owner } from './lifetime.ts';

/** Debian's package of each program that tests use. */
const PACKAGES: Readonly<Record<string, string>> = {
  docker: 'docker.io',
  dockerd: 'docker.io',
  htpasswd: 'apache2-utils',
  busybox: 'busybox-static',
  'docker-credential-pass': 'golang-docker-credential-helpers',
  gpg: 'gnupg',
  script: 'bsdutils',
};

/**
 * Root of unpacked clients of registries that Debian 12 hasn't: its packages `crane` and `oras` of a
 * later release, by `dpkg -x`. `.ci/run` unpacks them.
 */
const CLIENTS = process.env.SLIPWAY_CLIENTS ?? '';
/** Those that `.ci/run` found in no release. */
const NO_CLIENTS = (process.env.SLIPWAY_NO_CLIENTS ?? '').split(' ');

const SEARCH = [
  process.env.PATH ?? '',
  ...(CLIENTS === '' ? [] : [path.join(CLIENTS, 'usr/bin')]),
  ...['/usr/sbin', '/sbin', '/usr/bin', '/bin'],
].join(':');

/** Where a program is, or undefined. */
export function findProgram(name: string): string | undefined {
  return SEARCH.split(':')
    .filter((folder) => folder !== '')
    .map((folder) => path.join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/**
 * Why a test that needs these programs is skipped, or false if all are there. In CI a missing
 * program is a failure.
 */
export function missing(...names: readonly string[]): string | false {
  const absent = names.filter((name) => findProgram(name) === undefined);
  return absent.length === 0 ? false : skipReason(`needs ${absent.map(withPackage).join(', ')}`);
}

/** Like {@link missing}, for engines, which also need root. */
export function missingEngine(...names: readonly string[]): string | false {
  return process.getuid?.() === 0 ? missing(...names) : skipReason('needs root to start an engine');
}

/** Like {@link missing}, for a client of registries that only later releases of Debian have. */
export function missingClient(name: string): string | false {
  if (findProgram(name) !== undefined) return false;
  if (NO_CLIENTS.includes(name)) return `no release of Debian has a ${name} that runs here`;
  return skipReason(`needs ${name}, of a later Debian, in the folder that SLIPWAY_CLIENTS names`);
}

/** The reason why a test is skipped; in CI it is an error instead. */
export function skipReason(reason: string): string {
  if (process.env.CI) throw new Error(`${reason}; in CI nothing is skipped`);
  return reason;
}

function withPackage(name: string): string {
  return `${name} (Debian: ${PACKAGES[name] ?? name})`;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** what the program reads on its standard input */
  readonly stdin?: string | Uint8Array;
  readonly cwd?: string;
  readonly timeoutMs?: number;
}

export interface RunResult {
  /** exit status; -1 if a signal ended it */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, with nothing of our own environment but PATH. */
export function run(
  program: string,
  args: readonly string[],
  { env = {}, stdin = '', cwd, timeoutMs = 120_000 }: RunOptions = {},
): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(findProgram(program) ?? program, args, {
      env: { PATH: SEARCH, ...env },
      cwd,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({
        code: code ?? -1,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString(),
      }),
    );
    // A program that ends without reading everything is no failure of the test.
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
  });
}

/** Runs a program that must succeed, and gives its standard output without the last line feed. */
export async function mustRun(
  program: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, options);
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stderr}`);
  return stdout.trimEnd();
}

export interface Daemon {
  readonly pid: number;
  /** what it has printed so far */
  log(): string;
  /** Ends it by its process id; does nothing if it has ended. */
  stop(): Promise<void>;
}

/**
 * Starts a program that stays, waits until `ready` says so, and ends it at the owner's end.
 *
 * @param ready is asked again and again; what it throws means not yet
 */
export async function startDaemon(
  owner: Owner,
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  ready: (log: string) => Promise<boolean> | boolean,
): Promise<Daemon> {
  const child = spawn(findProgram(program) ?? program, args, {
    env: { PATH: SEARCH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  const keep = (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-200_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  let ended = false;
  const end = new Promise<void>((resolve) => {
    child.on('error', (error) => {
      log += String(error);
    });
    child.on('close', () => {
      ended = true;
      resolve();
    });
  });
  const stop = async () => {
    if (ended) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await end;
    clearTimeout(timer);
  };
  atEnd(owner, stop);
  for (const deadline = Date.now() + 30_000; ; await delay(50)) {
    if (ended) throw new Error(`${program} ended: ${log}`);
    if (
      await Promise.resolve(log)
        .then(ready)
        .catch(() => false)
    )
      break;
    if (Date.now() > deadline) throw new Error(`${program} isn't ready after 30 s: ${log}`);
  }
  return { pid: child.pid ?? -1, log: () => log, stop };
}
