import { spawn } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { findProgram } from '../test/rig/programs.ts';

/** A program to run, and what else works for it. */
export interface Command {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** a daemon that does part of the work: the processor time that it takes meanwhile counts too */
  readonly daemonPid?: number;
}

/** What one run of a program cost. */
export interface Cost {
  readonly seconds: number;
  /** user and system time of the program, all it waited for, and its daemon */
  readonly cpuSeconds: number;
  /** the largest resident set that the program ever had, MiB; the daemon's isn't in it */
  readonly peakMiB: number;
}

/**
 * Runs a program that must succeed and measures it. GNU time asks the kernel for what it knows of
 * the process, so nothing is missed between two looks; without it only the time is told.
 */
async function measure({ args, env, daemonPid }: Command, signal: AbortSignal): Promise<Cost> {
  const isTold = findProgram('time') !== undefined;
  const [program = '', ...rest] = isTold ? ['time', '-f', '%U %S %M', '--', ...args] : args;
  const daemonBefore = await cpuOf(daemonPid);
  signal.throwIfAborted();
  const started = performance.now();
  const child = spawn(program, rest, {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    // A group of its own, so that it can be ended with all that it started.
    detached: true,
  });
  const stop = () => {
    try {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
    } catch {
      // It has just ended by itself.
    }
  };
  signal.addEventListener('abort', stop);
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-20_000);
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  }).finally(() => signal.removeEventListener('abort', stop));
  const seconds = (performance.now() - started) / 1000;
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${log}`);
  const daemon = (await cpuOf(daemonPid)) - daemonBefore;
  const told = isTold ? /([0-9.]+) ([0-9.]+) ([0-9]+)\s*$/.exec(log) : undefined;
  return {
    seconds,
    cpuSeconds: told ? Number(told[1]) + Number(told[2]) + daemon : Number.NaN,
    peakMiB: told ? Number(told[3]) / 1024 : Number.NaN,
  };
}

/** Runs programs one after the other, as one act. */
export async function measureAll(commands: readonly Command[], signal: AbortSignal): Promise<Cost> {
  const costs: Cost[] = [];
  for (const command of commands) costs.push(await measure(command, signal));
  return {
    seconds: costs.reduce((sum, { seconds }) => sum + seconds, 0),
    cpuSeconds: costs.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
    peakMiB: Math.max(...costs.map(({ peakMiB }) => peakMiB)),
  };
}

/** Linux counts processor time in hundredths of a second for user programs. */
const TICKS_A_SECOND = 100;

/** Processor seconds of a process and of its children, running and ended; 0 without a process. */
async function cpuOf(pid: number | undefined): Promise<number> {
  if (pid === undefined) return 0;
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // Behind the program's name, which may hold anything: utime, stime, cutime, cstime.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  const below = (await childrenOf(pid)).map(cpuOf);
  return (await Promise.all(below)).reduce((sum, seconds) => sum + seconds, ticks / TICKS_A_SECOND);
}

/** Each thread has children of its own. */
async function childrenOf(pid: number): Promise<number[]> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const lists = threads.map((thread) =>
    readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => ''),
  );
  return (await Promise.all(lists))
    .flatMap((list) => list.trim().split(' '))
    .filter(Boolean)
    .map(Number);
}
