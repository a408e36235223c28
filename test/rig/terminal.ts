import { spawn } from 'node:child_process';
import { findProgram } from './programs.ts';

export interface AtTerminal {
  readonly code: number;
  /** all that the terminal showed, what was typed included where it was echoed */
  readonly shown: string;
}

const LONGEST_MS = 120_000;

/** Runs a command at a terminal of its own (`script` makes it), and types answers to its questions. */
export async function atTerminal(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
  answers: readonly (readonly [question: RegExp, answer: string])[],
): Promise<AtTerminal> {
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const child = spawn(findProgram('script') ?? 'script', ['-qec', quoted, '/dev/null'], {
    env: { PATH: process.env.PATH ?? '', SHELL: '/bin/sh', TERM: 'xterm', ...env },
    timeout: LONGEST_MS,
    killSignal: 'SIGKILL',
  });
  const left = [...answers];
  let shown = '';
  let since = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
    since += text;
    if (left[0]?.[0].test(since) !== true) return;
    since = '';
    child.stdin.write(left.shift()?.[1] ?? '');
  });
  child.stdin.on('error', () => {});
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve(status ?? -1));
  });
  return { code, shown };
}
