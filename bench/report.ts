import type { Section, Shown } from './bench.ts';
import type { Outcome } from './contest.ts';
import type { Cost } from './measure.ts';
import { type Spread, spreadOf } from './stats.ts';

const MIB = 1024 * 1024;

/** The usual table of a contest: what each cost, and how long Slipway took in comparison. */
export function tableOf(outcomes: readonly Outcome[]): Pick<Section, 'columns' | 'rows'> {
  const ours = outcomes.filter(({ contender }) => contender.isOurs);
  const rows = outcomes.map((outcome) => {
    const { contender, costs, seen, layerBytes } = outcome;
    const seconds = spreadOf(costs.map((cost) => cost.seconds));
    return [
      contender.name,
      spread(seconds, 2),
      number(spreadOf(costs.map((cost) => cost.cpuSeconds)).median, 2),
      number(Math.max(...costs.map((cost) => cost.peakMiB)), 0),
      seen === undefined ? '–' : `${seen.requests.length}`,
      seen === undefined ? '–' : number(seen.bytesToRegistry / MIB, 1),
      layerBytes === undefined ? '–' : number(layerBytes / MIB, 1),
      ...ours.map((one) => (one === outcome ? '' : spread(ratioOf(one, outcome), 2))),
    ];
  });
  const columns = [
    ...['', 'seconds', 'CPU s', 'peak MiB', 'requests', 'MiB sent', 'MiB of layers'],
    ...ours.map(({ contender }) => `${contender.name} ÷ it`),
  ];
  return { columns, rows };
}

/** Time of the first by time of the second, round by round. */
function ratioOf(one: Outcome, other: Outcome): Spread {
  return spreadOf(
    one.costs.map((cost, round) => cost.seconds / (other.costs[round]?.seconds ?? Number.NaN)),
  );
}

/** The outcome of a name, if it ran. */
export function named(outcomes: readonly Outcome[], name: string): Outcome | undefined {
  return outcomes.find(({ contender }) => contender.name === name);
}

/** A figure of {@link ratioOf}, where both have run. */
export function ratioShown(
  outcomes: readonly Outcome[],
  one: string,
  other: string,
  atMost: number,
): Shown[] {
  const [a, b] = [named(outcomes, one), named(outcomes, other)];
  if (a === undefined || b === undefined || a.costs.length === 0) return [];
  return [{ what: `time: ${one} ÷ ${other}`, value: ratioOf(a, b).median, atMost }];
}

/** The quickest of those that match, by its median. */
export function fastest(
  outcomes: readonly Outcome[],
  accept: (name: string) => boolean,
): string | undefined {
  const median = ({ costs }: Outcome) => spreadOf(costs.map(({ seconds }) => seconds)).median;
  const among = outcomes.filter(({ contender }) => accept(contender.name));
  return among.sort((a, b) => median(a) - median(b))[0]?.contender.name;
}

/** Milliseconds that the first took longer than the second, in the middle of all rounds. */
export function longerShown(
  outcomes: readonly Outcome[],
  one: string,
  other: string,
  atMost: number,
): Shown[] {
  const [a, b] = [named(outcomes, one), named(outcomes, other)];
  if (a === undefined || b === undefined) return [];
  const more = a.costs.map(
    ({ seconds }, round) => 1000 * (seconds - (b.costs[round]?.seconds ?? Number.NaN)),
  );
  const value = spreadOf(more).median;
  return [{ what: `time: ${one} − ${other}`, value, atMost, unit: 'ms' }];
}

/** Requests of a contender to the registry. */
export function requestsShown(outcomes: readonly Outcome[], name: string, atMost: number): Shown[] {
  const seen = named(outcomes, name)?.seen;
  if (seen === undefined) return [];
  return [{ what: `requests: ${name}`, value: seen.requests.length, atMost, unit: 'count' }];
}

/** The largest of a contender's peaks, MiB. */
export function peakShown(outcomes: readonly Outcome[], name: string, atMost: number): Shown[] {
  const costs: readonly Cost[] = named(outcomes, name)?.costs ?? [];
  if (costs.length === 0) return [];
  const value = Math.max(...costs.map(({ peakMiB }) => peakMiB));
  return [{ what: `peak memory: ${name}`, value, atMost, unit: 'MiB' }];
}

/** A section as Markdown; a terminal reads it too. */
export function render({ title, about, columns, rows, shows }: Section): string {
  const list = shows.map(shown).join('\n');
  return [`## ${title}`, about, table(columns, rows), ...(list === '' ? [] : [list])].join('\n\n');
}

/** All figures that we hold ourselves to, in one table. */
export function renderGlance(sections: readonly Section[]): string {
  const rows = sections.flatMap(({ title, shows }) =>
    shows.map((one) => [
      `${title}: ${one.what}`,
      figure(one.value, one.unit),
      figure(one.atMost, one.unit),
      verdict(one),
    ]),
  );
  return ['## At a glance', table(['', 'measured', 'wanted at most', ''], rows)].join('\n\n');
}

function table(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map((column, at) =>
    Math.max(...[column, ...rows.map((row) => row[at] ?? '')].map((cell) => cell.length)),
  );
  const pad = (cell: string, at: number) =>
    at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0);
  const line = (cells: readonly string[]) => `| ${cells.map(pad).join(' | ')} |`;
  const rule = widths.map((width, at) =>
    at === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`,
  );
  return [line(columns), `|${rule.join('|')}|`, ...rows.map(line)].join('\n');
}

function shown(one: Shown): string {
  const { what, value, atMost, unit } = one;
  return `- ${what}: ${figure(value, unit)}, wanted at most ${figure(atMost, unit)}: ${verdict(one)}`;
}

const verdict = ({ value, atMost }: Shown): string => (value <= atMost ? 'holds' : '**missed**');

/** Ratios have no unit. */
function figure(value: number, unit: Shown['unit']): string {
  if (unit === undefined) return number(value, 2);
  return `${number(value, 0)}${unit === 'count' ? '' : ` ${unit}`}`;
}

/** `1.23 (1.20–1.31)`: the median, and the quartiles. */
export function spread({ median, quartiles: [low, high] }: Spread, digits: number): string {
  return `${number(median, digits)} (${number(low, digits)}–${number(high, digits)})`;
}

/** A number for a cell. */
export function number(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : '–';
}
