import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Bench } from './bench.ts';
import { type Command, measureAll } from './measure.ts';

/** What V8's profiler writes: a tree of calls, and in which of them each sample found the thread. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: {
      readonly functionName: string;
      readonly url: string;
      readonly lineNumber: number;
      readonly columnNumber: number;
    };
  }[];
  readonly samples: readonly number[];
  /** microseconds since the sample before */
  readonly timeDeltas: readonly number[];
}

const LINES = 12;

/** Runs commands of Slipway with V8's profiler, and tells in which functions the time went. */
export async function profile(
  bench: Bench,
  profiles: string,
  title: string,
  commands: readonly Command[],
): Promise<void> {
  const folder = path.join(profiles, title.replaceAll(/[^a-z0-9]+/gi, '-'));
  const [node = '', ...program] = bench.slipway;
  const profiled = commands.map(({ args, ...rest }) => ({
    ...rest,
    args: [
      node,
      ...['--cpu-prof', '--cpu-prof-interval=500', `--cpu-prof-dir=${folder}`],
      ...program,
      ...args.slice(bench.slipway.length),
    ],
  }));
  await measureAll(profiled, bench.signal);
  for (const name of await readdir(folder)) {
    const file = path.join(folder, name);
    bench.say(`profile ${file}`);
    for (const line of hottest(JSON.parse(await readFile(file, 'utf8')))) bench.say(`  ${line}`);
  }
}

/** The functions that took the most time themselves, as lines of milliseconds and places. */
function hottest({ nodes, samples, timeDeltas }: Profile): string[] {
  const places = new Map<number, string>();
  for (const { id, callFrame } of nodes) {
    const { functionName, url, lineNumber, columnNumber } = callFrame;
    const file = url === '' ? '' : ` ${path.basename(url)}:${lineNumber + 1}:${columnNumber + 1}`;
    places.set(id, `${functionName || '(anonymous)'}${file}`);
  }
  const times = new Map<string, number>();
  for (const [at, id] of samples.entries()) {
    const place = places.get(id) ?? '';
    times.set(place, (times.get(place) ?? 0) + (timeDeltas[at] ?? 0));
  }
  return [...times]
    .sort(([, a], [, b]) => b - a)
    .slice(0, LINES)
    .map(([place, micros]) => `${(micros / 1000).toFixed(0).padStart(6)} ms  ${place}`);
}
