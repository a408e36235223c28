let isSettled = false;

/** What nearly every command uses of Node before it ends. */
const USED_BY_MOST = ['node:net', 'node:fs/promises', 'node:crypto', 'node:sqlite'];

/**
 * Loads what most commands need of Node, and then tells V8 how to compile and collect. In this
 * order: Node's own modules come with compiled code, which V8 refuses once any flag is set.
 */
export function prepareToWork(): void {
  for (const name of USED_BY_MOST) process.getBuiltinModule(name);
  settleV8();
}

/** Tells V8 how to compile and collect from now on; at the latest before the process ends. */
export function settleV8(): void {
  if (isSettled) return;
  isSettled = true;
  const [release] = process.versions.node.split('.');
  // Another V8 may not know these flags and would say so on the terminal.
  if (release !== '24' && release !== '26') return;
  // An import would take longer than the rest of this.
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  // Threads that compile wait for the main thread where memory is to be collected, and at the end
  // it waits for them: for ever. docs/decisions/0076-how-the-command-ends.md
  setFlagsFromString('--no-concurrent-sparkplug');
  setFlagsFromString('--no-maglev');
  // The young generation stays small, so that chunks that were sent are given back sooner: 800 MiB
  // into a registry peaked at 122 MiB instead of 162, in the same time.
  if (release === '24') setFlagsFromString('--semi-space-growth-factor=1');
}
