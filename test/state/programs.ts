import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { atEnd } from './folders.ts';

/** A program that a test runs beside itself. */
export interface Program {
  readonly child: ChildProcess;
  /** the lines that it has printed so far */
  readonly lines: readonly string[];
  /** Waits for a line. */
  said(line: string): Promise<void>;
  /** Its exit code, or null if a signal ended it. */
  readonly ended: Promise<number | null>;
}

/** Starts a TypeScript program; it is killed at the end of the test if it still runs. */
export function startProgram(t: TestContext, file: URL, ...args: string[]): Program {
  const child = spawn(process.execPath, [fileURLToPath(file), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const waiting: (() => void)[] = [];
  const wake = () => {
    for (const waiter of waiting.splice(0)) waiter();
  };
  let isOver = false;
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => {
    lines.push(line);
    wake();
  });
  const closed = new Promise<void>((resolve) => reader.on('close', resolve));
  const ended = new Promise<number | null>((resolve) => {
    child.on('exit', async (code) => {
      await closed;
      isOver = true;
      wake();
      resolve(code);
    });
  });
  atEnd(t, async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    child,
    lines,
    ended,
    async said(line) {
      while (!lines.includes(line)) {
        if (isOver) throw new Error(`${file.pathname} ended without saying ${line}`);
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
    },
  };
}
