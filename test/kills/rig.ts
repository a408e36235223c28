import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { atEnd, type Owner } from '../rig/lifetime.ts';
import { MAIN } from '../rig/main.ts';

/** A run of the command that somebody may end. */
export interface Run {
  /** Ends it by its process id. */
  kill(signal: 'SIGKILL' | 'SIGINT' | 'SIGTERM'): void;
  readonly ended: Promise<{ readonly code: number | null; readonly text: string }>;
}

/** Starts `slipway …` with the given home. */
export function start(owner: Owner, home: string, args: readonly string[]): Run {
  const child: ChildProcess = spawn(process.execPath, [MAIN, ...args], {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: home,
      SLIPWAY_HOME: path.join(home, 'slipway'),
      DOCKER_CONFIG: home,
      TMPDIR: home,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const keep = (chunk: Buffer) => {
    text += chunk.toString();
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  const ended = new Promise<{ code: number | null; text: string }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, text }));
  });
  atEnd(owner, async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return { kill: (signal) => void child.kill(signal), ended };
}

/** Waits until something is so. */
export async function until(isSo: () => boolean, what: string): Promise<void> {
  for (const deadline = Date.now() + 60_000; !isSo(); await delay(1)) {
    if (Date.now() > deadline) throw new Error(`still not so after 60 s: ${what}`);
  }
}
