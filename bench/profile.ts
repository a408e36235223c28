import path from 'node:path';
import type { Bench } from './bench.ts';
import type { Command } from './measure.ts';

/** The same commands of Slipway, each writing processor profiles of its threads. */
export function profiled(commands: readonly Command[], bench: Bench, name: string): Command[] {
  const { slipway, profiles = '' } = bench;
  const [node = '', ...program] = slipway;
  const folder = path.join(profiles, name.replaceAll(/[^a-z0-9]+/gi, '-'));
  return commands.map(({ args, ...rest }) => ({
    ...rest,
    args: [
      node,
      ...['--cpu-prof', '--cpu-prof-interval=500', `--cpu-prof-dir=${folder}`],
      ...program,
      ...args.slice(slipway.length),
    ],
  }));
}
