import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';

/** Whoever cleans up at its end: a test's context, or the whole file. */
export interface Owner {
  after(cleanUp: () => Promise<void>): void;
}

type CleanUp = () => Promise<void> | void;

const PENDING = new WeakMap<Owner, CleanUp[]>();

/** Lets `cleanUp` run at the owner's end, before everything that was registered earlier. */
export function atEnd(owner: Owner, cleanUp: CleanUp): void {
  let cleanUps = PENDING.get(owner);
  if (cleanUps === undefined) {
    cleanUps = [];
    PENDING.set(owner, cleanUps);
    const all = cleanUps;
    owner.after(() => runAll(all));
  }
  cleanUps.push(cleanUp);
}

/** Runs clean-ups in the opposite order of their making, each even if another one failed. */
async function runAll(cleanUps: CleanUp[]): Promise<void> {
  const failures: unknown[] = [];
  for (let next = cleanUps.pop(); next !== undefined; next = cleanUps.pop()) {
    try {
      await next();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'a clean-up failed');
}

/** A fresh folder below the system's temporary folder, removed at the owner's end. */
export async function tempDir(owner: Owner): Promise<string> {
  // Short: engines put sockets below it, whose paths may have 107 characters.
  const folder = await mkdtemp(path.join(os.tmpdir(), 'slipway-'));
  atEnd(owner, () => rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  return folder;
}
