import { spawn } from 'node:child_process';

/** What one run of a program cost. */
export interface Cost {
  readonly seconds: number;
  /** the largest resident set that it ever had, MiB; 0 where the system doesn't tell */
  readonly peakMiB: number;
}

/**
 * Runs a program that must succeed and measures it. GNU time asks the kernel for the peak of the
 * process that it waited for, so nothing is missed between two looks.
 */
export async function measure(
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Cost> {
  const started = performance.now();
  const child = spawn('/usr/bin/time', ['-f', '%M', '--', ...command], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => {
    log += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const seconds = (performance.now() - started) / 1000;
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${log}`);
  const peakKiB = Number(/([0-9]+)\s*$/.exec(log)?.[1] ?? 0);
  return { seconds, peakMiB: peakKiB / 1024 };
}

/** The middle value; the mean of the two middle ones of an even number. */
function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? 0)) / 2;
}

/** Lets every tool run once in each round: what slows the machine down slows them all down. */
export async function inTurns(
  rounds: number,
  tools: Readonly<Record<string, () => Promise<Cost>>>,
): Promise<ReadonlyMap<string, readonly Cost[]>> {
  const costs = new Map<string, Cost[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, once] of Object.entries(tools)) {
      costs.set(name, [...(costs.get(name) ?? []), await once()]);
    }
  }
  return costs;
}

/** Prints medians, peaks, and the median of the first tool's ratios to each other one by round. */
export function print(costs: ReadonlyMap<string, readonly Cost[]>): void {
  const [[first, firstRuns] = ['', []], ...others] = costs;
  for (const [name, runs] of costs) {
    const seconds = runs.map((run) => run.seconds);
    const peak = Math.max(...runs.map(({ peakMiB }) => peakMiB));
    const list = seconds.map((each) => each.toFixed(2)).join(' ');
    process.stdout.write(
      `${name.padEnd(10)} median ${median(seconds).toFixed(2)} s  peak ${peak.toFixed(0)} MiB  (${list})\n`,
    );
  }
  for (const [name, runs] of others) {
    const ratios = runs.map(({ seconds }, at) => (firstRuns[at]?.seconds ?? 0) / seconds);
    process.stdout.write(`${first} / ${name}: ${median(ratios).toFixed(2)}\n`);
  }
}
