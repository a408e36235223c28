import os from 'node:os';
import { findProgram, missing } from '../../test/rig/programs.ts';
import type { Bench, Case, Section } from '../bench.ts';
import { type Contender, contest } from '../contest.ts';
import { compressAlone } from '../floor.ts';
import { prepareArchive } from '../images/archive.ts';
import { number, spread } from '../report.ts';
import { spreadOf } from '../stats.ts';

export const machine: Case = {
  name: 'machine',
  about: 'how quickly this machine hashes and compresses, on all cores',
  missing: () => missing('tar', 'xargs'),
  run: async (bench) => [await run(bench)],
};

async function run(bench: Bench): Promise<Section> {
  const { layers, layerBytes, mixture } = await prepareArchive(bench);
  const programs: Readonly<Record<string, readonly string[]>> = {
    sha256sum: ['sha256sum'],
    'gzip -6': ['gzip', '-6', '-c'],
    'zstd -3': ['zstd', '-q', '-3', '-c', '-T1'],
  };
  const contenders: Contender[] = [
    ...Object.entries(programs)
      .filter(([, [program = '']]) => findProgram(program) !== undefined)
      .map(([name, command]) => inParallel(name, command, layers)),
    compressAlone('gzip', layers),
    compressAlone('zstd', layers),
  ];
  const outcomes = await contest(bench, 'machine', contenders);
  const rows = outcomes.map(({ contender, costs }) => [
    contender.name,
    spread(spreadOf(costs.map(({ seconds }) => layerBytes / 1e6 / seconds)), 0),
    spread(spreadOf(costs.map(({ seconds }) => seconds)), 2),
    number(spreadOf(costs.map(({ cpuSeconds }) => cpuSeconds)).median, 2),
  ]);
  return {
    title: 'The machine',
    about: `The layers of the archive below (${mixture}), as many at a time as there are cores, with nothing sent and nothing kept. \`alone\` is Slipway's own compressor.`,
    columns: ['', 'MB a second', 'seconds', 'CPU s'],
    rows,
    shows: [],
  };
}

/** A program that runs once for each file, as many at a time as there are cores. */
function inParallel(name: string, command: readonly string[], files: readonly string[]): Contender {
  const xargs = ['xargs', '-n', '1', '-P', `${os.availableParallelism()}`, ...command];
  const script = `printf '%s\\n' "$@" | ${xargs.join(' ')} >/dev/null`;
  return {
    name,
    isOffline: true,
    publish: ({ env }) => [{ args: ['sh', '-c', script, 'sh', ...files], env }],
  };
}
