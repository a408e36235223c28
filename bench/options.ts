import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import type { Case } from './bench.ts';
import { PEERS } from './tools.ts';

/** What was asked for on the command line. */
export interface Options {
  readonly cases: readonly Case[];
  /** no figures are meant */
  readonly isQuick: boolean;
  readonly rounds: number;
  readonly scale: number;
  readonly peers: ReadonlySet<string>;
  readonly program: string;
  readonly before: string | undefined;
  readonly images: string;
  readonly profiles: string | undefined;
  readonly out: string | undefined;
  readonly date: string;
}

const ROOT = path.dirname(import.meta.dirname);

/** The text of `--help`. */
export function help(cases: readonly Case[]): string {
  return `node bench/main.ts [OPTIONS] [CASE…]

Measures Slipway (as \`npm run build\` made it) beside every peer on the PATH.

cases, all of them if none is named; a beginning names several:
${cases.map(({ name, about }) => `  ${name.padEnd(18)} ${about}`).join('\n')}

options
  --rounds N      how often everybody runs (5)
  --scale X       images of X times the usual size (1)
  --quick         one round with tiny images: whether everything works, no figures
  --peers LIST    only these: ${Object.keys(PEERS).join(',')}
  --program FILE  the Slipway to measure (dist/slipway.js)
  --before FILE   another Slipway to compare it with
  --profile DIR   also write processor profiles of Slipway's runs, and sum them up
  --images DIR    where prepared images are kept (slipway-bench-UID in the temporary folder)
  --out FILE      write the result as Markdown too
  --date DATE     the date that is written there (today)

Everything is below the temporary folder: TMPDIR says where.
`;
}

/** Reads the command line; undefined if help was asked for. */
export function readOptions(all: readonly Case[], args: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      scale: { type: 'string' },
      quick: { type: 'boolean', default: false },
      peers: { type: 'string', default: Object.keys(PEERS).join(',') },
      program: { type: 'string', default: path.join(ROOT, 'dist/slipway.js') },
      before: { type: 'string' },
      profile: { type: 'string' },
      images: { type: 'string' },
      out: { type: 'string' },
      date: { type: 'string', default: new Date().toISOString().slice(0, 10) },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const cases = all.filter(
    ({ name }) =>
      positionals.length === 0 || positionals.some((beginning) => name.startsWith(beginning)),
  );
  const unknown = positionals.find(
    (beginning) => !all.some(({ name }) => name.startsWith(beginning)),
  );
  if (unknown !== undefined) throw new Error(`there is no case ${unknown}`);
  return {
    cases,
    isQuick: values.quick,
    rounds: positive('--rounds', values.rounds ?? (values.quick ? '1' : '5')),
    scale: positive('--scale', values.scale ?? (values.quick ? '0.002' : '1')),
    peers: new Set(values.peers.split(',')),
    program: path.resolve(values.program),
    before: values.before && path.resolve(values.before),
    images: path.resolve(
      values.images ?? path.join(os.tmpdir(), `slipway-bench-${process.getuid?.() ?? 'images'}`),
    ),
    profiles: values.profile && path.resolve(values.profile),
    out: values.out && path.resolve(values.out),
    date: values.date,
  };
}

function positive(flag: string, text: string): number {
  const value = Number(text);
  if (value > 0) return value;
  throw new Error(`${flag} takes a number above 0, not ${text}`);
}
