import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { Agent } from 'undici';
import { MAIN } from '../rig/main.ts';
import { startDaemon } from '../rig/programs.ts';
import { type Rig, rigFor, temporaryFolder } from './rig.ts';

/** A registry in a process of its own. */
export interface Served extends Rig {
  /** The most memory that it has had. */
  peakBytes(): Promise<number>;
  /** from here on requests may fail */
  readonly isKilled: boolean;
  /** Ends it at once, as a failure of the machine would. */
  kill(): Promise<void>;
}

export async function startServed(
  t: TestContext,
  storage: string,
  options: readonly string[] = [],
): Promise<Served> {
  const args = [MAIN, 'registry', 'serve', '--listen', '127.0.0.1:0', '--storage', storage];
  const isReady = (log: string) => /listening on http:\S+\n/.test(log);
  const env = {
    HOME: await temporaryFolder(t),
    // Where compiled code is kept, for all tests together.
    XDG_CACHE_HOME: path.resolve(import.meta.dirname, '../../node_modules/.cache'),
  };
  const daemon = await startDaemon(t, process.execPath, [...args, ...options], env, isReady);
  const [, url = ''] = /listening on (http:\S+)\n/.exec(daemon.log()) ?? [];
  const agent = new Agent();
  t.after(() => agent.destroy());
  const registry = { url, host: url.replace('http://', ''), storage, close: () => daemon.stop() };
  let isKilled = false;
  return {
    ...rigFor(registry, agent),
    async peakBytes() {
      const text = await readFile(`/proc/${daemon.pid}/status`, 'utf8');
      return Number(/VmHWM:\s+([0-9]+)/.exec(text)?.[1]) * 1024;
    },
    get isKilled() {
      return isKilled;
    },
    async kill() {
      isKilled = true;
      process.kill(daemon.pid, 'SIGKILL');
      await daemon.stop();
    },
  };
}
