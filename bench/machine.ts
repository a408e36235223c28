import os from 'node:os';
import { mustRun } from '../test/rig/programs.ts';
import type { Bench } from './bench.ts';
import type { Options } from './options.ts';
import { versionsOf } from './tools.ts';

/** The head of the report: what ran, on what, and how. */
export async function factsOf(
  bench: Bench,
  { rounds, scale, date }: Pick<Options, 'rounds' | 'scale' | 'date'>,
): Promise<string> {
  const [cpu] = os.cpus();
  const [node = '', ...program] = bench.slipway;
  const version = await mustRun(node, [...program, '--version'], { env: { HOME: bench.home } });
  const versions = [version, `Node ${process.version}`, ...(await versionsOf(bench))];
  const load = (os.loadavg()[0] ?? 0).toFixed(1);
  const gib = (os.totalmem() / 1024 ** 3).toFixed(0);
  return `# Performance

Everything ran on one machine, on loopback: ${os.availableParallelism()} × ${cpu?.model.trim() ?? 'unknown'}, ${gib} GiB, ${os.type()} ${os.release()}. ${date}, ${rounds} ${rounds === 1 ? 'round' : 'rounds'}, images of ${scale} times the usual size, load average ${load} at the beginning.

In every round each tool runs once, into a registry with empty storage and with nothing left of earlier runs of its own; only Node's compile cache stays. Seconds are medians, in brackets the first and third quartile. \`a ÷ it\` is the time of \`a\` by the time of the row's tool in the same round: below 1, \`a\` was quicker. CPU is user and system time of all that the tool started. Requests, and the bytes sent with them, were counted in a further run through a relay, which isn't timed.

${versions.map((line) => `- ${line}`).join('\n')}`;
}
