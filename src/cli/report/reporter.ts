import type { Emit } from '../../events.ts';
import { type Output, safeLine } from '../output.ts';
import { grouped } from './github.ts';
import { jsonReporter } from './json.ts';
import { describeEvent, plainReporter } from './plain.ts';
import { ttyReporter } from './tty.ts';

/** The values of `--progress`. */
export const PROGRESS_STYLES = ['auto', 'tty', 'plain', 'json', 'none'] as const;
export type ProgressStyle = (typeof PROGRESS_STYLES)[number];

/** Renders events; `stop` ends it before the results are printed. */
export interface Reporter {
  readonly emit: Emit;
  /** Leaves the terminal to somebody else until what it gives is called. */
  readonly hold?: () => () => void;
  stop(): void;
}

/** The reporter for a style; `auto` is live lines on a terminal outside CI, else plain lines. */
export function createReporter(
  style: ProgressStyle,
  output: Output,
  env: NodeJS.ProcessEnv = process.env,
): Reporter {
  const isCi = env.CI !== undefined && env.CI !== '' && env.CI !== 'false';
  const chosen = style === 'auto' ? (output.isTerminal && !isCi ? 'tty' : 'plain') : style;
  switch (chosen) {
    case 'tty':
      return ttyReporter(output);
    case 'json':
      return { emit: jsonReporter(output), stop: () => {} };
    case 'plain':
      return env.GITHUB_ACTIONS === 'true' ? grouped(output, plainReporter) : plainReporter(output);
    case 'none':
      return { emit: warningsOnly(output), stop: () => {} };
  }
}

/** Quiet, but a warning is still said, and what --debug asked for. */
function warningsOnly(output: Output): Emit {
  return (event) => {
    const isSaid = event.type === 'warning' || event.type.startsWith('http.');
    const line = isSaid ? describeEvent(event) : undefined;
    if (line !== undefined) output.err(`${safeLine(line)}\n`);
  };
}
