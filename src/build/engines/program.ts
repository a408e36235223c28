import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process';
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { printable } from '../../bytes/printable.ts';
import { type Bytes, collect } from '../../bytes/stream.ts';
import { SlipwayError, systemCode } from '../../errors.ts';
import type { Emit } from '../../events.ts';
import { linesOf } from './lines.ts';

/** Variables of a program on top of our own; one that is undefined it doesn't get. */
export type ProgramVariables = Readonly<Record<string, string | undefined>>;

/** A program that builds, and how it is called. It gets our own environment and `env` on top. */
export interface ProgramCall {
  /** of the engine, for events and errors */
  readonly engine: string;
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: ProgramVariables;
  readonly cwd?: string;
  /**
   * A file that is its standard input, nothing if left out. No pipe: Node's are sockets, which a
   * program can't open as `/dev/stdin`.
   */
  readonly stdin?: FileHandle | undefined;
  /** what to do about a failure, by the last lines of what it said */
  readonly hintFor?: (lastWords: readonly string[]) => string | undefined;
  readonly emit: Emit;
  readonly signal?: AbortSignal | undefined;
}

type Child = ChildProcessByStdio<null, Readable, Readable>;

/** After a polite request to end, a program has this long to clean up behind itself. */
const GRACE_MS = 10_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

/**
 * Runs a program to its end. What it says on standard error becomes events; `read` gets its
 * standard output.
 *
 * @throws SlipwayError `COMMAND_FAILED` with its status and its last words, `NO_ENGINE` if it can't
 * be started; else what `read` throws
 */
export async function runProgram<T>(
  call: ProgramCall,
  read: (stdout: Bytes) => Promise<T>,
): Promise<T> {
  call.signal?.throwIfAborted();
  const child: Child = spawn(call.program, call.args, {
    env: { ...process.env, ...call.env },
    ...(call.cwd === undefined ? {} : { cwd: call.cwd }),
    stdio: [call.stdin?.fd ?? 'ignore', 'pipe', 'pipe'],
  }) as Child;
  const ended = endOf(child);
  ended.catch(() => {});
  const stop = stopper(child);
  const lastWords: string[] = [];
  const talking = tellLines(child.stderr, call, lastWords);
  talking.catch(() => {});
  call.signal?.addEventListener('abort', stop.now, { once: true });
  try {
    // Node throws away what nobody has begun to read when the program ends.
    child.stdout.on('readable', () => {});
    const reading = read(child.stdout);
    reading
      .catch(() => {
        // Whoever stops reading in the middle leaves the program before a full pipe.
        if (!child.stdout.readableEnded) stop.now();
      })
      .finally(() => child.stdout.destroy());
    const [result, end] = await Promise.allSettled([reading, ended]);
    call.signal?.throwIfAborted();
    if (end.status === 'rejected') throw cannotStart(call.program, end.reason);
    const isStopped = stop.isStopped();
    if (!isStopped && end.value !== 0) throw failed(call, end.value, lastWords);
    if (result.status === 'rejected') throw result.reason;
    await talking;
    return result.value;
  } finally {
    call.signal?.removeEventListener('abort', stop.now);
    stop.forget();
  }
}

/** Reads what a program prints for people, as events. */
export async function tellOutput(
  stdout: Bytes,
  { engine, emit }: Pick<ProgramCall, 'engine' | 'emit'>,
): Promise<void> {
  for await (const line of linesOf(stdout)) emit({ type: 'build.output', engine, line });
}

/** What a short question to a program gave; undefined if the program isn't there. */
export interface Answer {
  readonly status: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Asks a program something, within `timeoutMs`. */
export async function askProgram(
  program: string,
  args: readonly string[],
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly timeoutMs?: number;
    readonly cwd?: string;
    readonly env?: ProgramVariables;
  } = {},
): Promise<Answer | undefined> {
  options.signal?.throwIfAborted();
  const child = spawn(program, args, {
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  // Node's own timeout goes on where a program isn't there, and keeps the process.
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 30_000);
  const ended = endOf(child);
  const what = `the answer of ${program}`;
  try {
    const [status, stdout, stderr] = await Promise.all([
      ended,
      collect(child.stdout, MAX_ANSWER_BYTES, what),
      collect(child.stderr, MAX_ANSWER_BYTES, what),
    ]);
    return { status, stdout: stdout.toString(), stderr: stderr.toString() };
  } catch (error) {
    child.kill('SIGKILL');
    options.signal?.throwIfAborted();
    const code = systemCode(error);
    if (code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR') return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** The exit status; undefined where a signal ended it. */
function endOf(child: ChildProcess): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve(status ?? undefined));
  });
}

function stopper(child: Child) {
  let timer: NodeJS.Timeout | undefined;
  return {
    now: () => {
      if (timer !== undefined || child.exitCode !== null) return;
      child.kill('SIGTERM');
      timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
    },
    isStopped: () => timer !== undefined,
    forget: () => clearTimeout(timer),
  };
}

const LAST_WORDS = 20;

async function tellLines(
  stderr: Bytes,
  { engine, emit }: ProgramCall,
  lastWords: string[],
): Promise<void> {
  for await (const line of linesOf(stderr)) {
    lastWords.push(line);
    if (lastWords.length > LAST_WORDS) lastWords.shift();
    emit({ type: 'build.output', engine, line });
  }
}

function failed(
  { engine, program, hintFor }: ProgramCall,
  status: number | undefined,
  lastWords: readonly string[],
): SlipwayError {
  const words = lastWords.findLast((line) => /error/i.test(line)) ?? lastWords.at(-1);
  const end = status === undefined ? 'was killed' : `ended with status ${status}`;
  return new SlipwayError(
    'COMMAND_FAILED',
    `the build failed: ${program} ${end}${words === undefined ? '' : `: ${printable(words, 500)}`}`,
    {
      hint:
        status === undefined
          ? `something outside ended ${program}; is there enough memory?`
          : (hintFor?.(lastWords) ??
            `what ${engine} said stands above; --progress plain shows all of it`),
    },
  );
}

function cannotStart(program: string, cause: unknown): SlipwayError {
  return new SlipwayError('NO_ENGINE', `${program} can't be started: ${systemCode(cause)}`, {
    hint: `install ${program}, or choose another engine with --engine`,
    cause,
  });
}
