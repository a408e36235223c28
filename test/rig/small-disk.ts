import type { TestContext } from 'node:test';
import { run, skipReason } from './programs.ts';

/**
 * Mounts a file system of a few bytes over a folder, to be filled up. Where that can't be done the
 * test is skipped with a notice, and fails in CI.
 *
 * @param size as tmpfs takes it: `64k`, `5m`
 * @returns what unmounts it, or undefined if the test is skipped
 */
export async function mountSmallDisk(
  t: TestContext,
  folder: string,
  size: string,
): Promise<(() => Promise<void>) | undefined> {
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', folder]).catch(
    (error: unknown) => ({ code: -1, stderr: String(error) }),
  );
  if (mounted.code !== 0) {
    t.skip(skipReason(`needs the right to mount a small file system: ${mounted.stderr.trim()}`));
    return undefined;
  }
  return async () => {
    await run('umount', ['-l', folder]);
  };
}
