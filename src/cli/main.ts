import { processOutput } from './output.ts';
import { runCommandLine } from './run.ts';
import { prepareToWork, settleV8 } from './v8.ts';

const LONGEST_END_MS = 30_000;

/**
 * The program: the first signal stops the work and cleans up, the second one ends it at once. A
 * reader that closes the pipe (`slipway ls | head`) ends it quietly.
 */
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
const exitCode = await runCommandLine(
  process.argv.slice(2),
  processOutput(),
  stopping.signal,
  prepareToWork,
);
// What was written must be out before the process ends; connections that linger must not hold it.
await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
await new Promise<void>((resolve) => process.stderr.write('', () => resolve()));
settleV8();
process.exit(exitCode);
