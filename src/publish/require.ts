import { SlipwayError } from '../errors.ts';
import type { Job } from './job.ts';

/** How many registries must have all content before any tag moves: `--require`. */
export type Require = 'all' | 'any' | number;

/**
 * The jobs whose tags may move: those of registries where nothing failed, if they are enough.
 * Jobs of one registry stand and fall together.
 */
export function standingJobs(jobs: readonly Job[], require: Require): readonly Job[] {
  const groups = [...Map.groupBy(jobs, ({ group }) => group).values()];
  const whole = groups.filter((group) => group.every(({ error }) => error === undefined));
  return whole.length >= needed(require, groups.length) ? whole.flat() : [];
}

function needed(require: Require, groups: number): number {
  if (require === 'all') return groups;
  return require === 'any' ? 1 : require;
}

/**
 * Makes sure that what is required can be had.
 *
 * @throws SlipwayError `USAGE`
 */
export function checkRequire(jobs: readonly Job[], require: Require): void {
  const groups = new Set(jobs.map(({ group }) => group)).size;
  if (jobs.length === 0 || needed(require, groups) <= groups) return;
  throw new SlipwayError(
    'USAGE',
    `${require} registries are required, and ${groups === 1 ? 'only one is' : `only ${groups} are`} named`,
  );
}
