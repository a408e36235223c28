import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

const endings = new WeakMap<TestContext, (() => unknown)[]>();

/** Does `work` at the end of the test; what was asked for last comes first. */
export function atEnd(t: TestContext, work: () => unknown): void {
  const known = endings.get(t);
  if (known !== undefined) {
    known.push(work);
    return;
  }
  const list = [work];
  endings.set(t, list);
  t.after(async () => {
    for (const next of list.reverse()) await next();
  });
}

/** A folder of the test's own, removed at its end. */
export async function tempFolder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'slipway-test-'));
  atEnd(t, () => rm(dir, { recursive: true, force: true }));
  return dir;
}
