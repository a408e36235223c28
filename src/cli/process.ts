import { processOutput } from './output.ts';
import { runCommandLine } from './run.ts';
import { prepareToWork, settleV8, withoutFlags } from './v8.ts';

const LONGEST_END_MS = 30_000;

/** What keeps compiled code from one start to the next. */
interface CodeCache {
  /** From here on V8 has other flags, and code that is compiled with them doesn't fit. */
  close(): void;
  /** Keeps what was compiled before, with all of it that ran since. */
  keep(): void;
}

/**
 * Runs the program to its end: the first signal stops the work and cleans up, the second one ends it
 * at once. A reader that closes the pipe (`slipway ls | head`) ends it quietly.
 *
 * @param code what the bundled command has
 */
export async function runProcess(code?: CodeCache): Promise<never> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (stopping.signal.aborted) process.exit(130);
      stopping.abort(new DOMException('interrupted', 'AbortError'));
      // The system may keep us waiting, for a pipe that nobody opens, say; then even an exit waits.
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), LONGEST_END_MS).unref();
    });
  }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  // Nobody listens any more; the work goes on.
  process.stderr.on('error', () => {});
  const prepare = () => {
    code?.close();
    prepareToWork();
  };
  const args = process.argv.slice(2);
  const exitCode = await runCommandLine(args, processOutput(), stopping.signal, prepare);
  // What was written must be out before the process ends; connections that linger must not hold it.
  await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
  await new Promise<void>((resolve) => process.stderr.write('', () => resolve()));
  if (exitCode === 0) withoutFlags(() => code?.keep());
  settleV8();
  process.exit(exitCode);
}
