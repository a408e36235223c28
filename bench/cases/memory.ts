import { missing } from '../../test/rig/programs.ts';
import type { Bench, Case, Section } from '../bench.ts';
import { contest } from '../contest.ts';
import { prepareHuge } from '../images/huge.ts';
import { number, peakShown, tableOf } from '../report.ts';
import { slipway } from '../tools.ts';

const AS_IT_IS = 'slipway, as it is';
const GZIP = 'slipway gzip';

export const memory: Case = {
  name: 'memory',
  about: 'peak memory with a single layer of 4 GiB, sent as it is and compressed',
  missing: () => missing('docker-registry', 'tar', 'time'),
  run: async (bench) => [await run(bench)],
};

async function run(bench: Bench): Promise<Section> {
  const { folder, layerBytes } = await prepareHuge(bench);
  const copy = (compression: string) => (host: string) => [
    ...['copy', '-q', '--compression', compression],
    ...[`oci:${folder}:1`, `docker://${host}/bench:1`],
  ];
  const contenders = [
    ...slipway(bench, AS_IT_IS, copy('keep')),
    ...slipway(bench, GZIP, copy('gzip')),
  ];
  const outcomes = await contest(bench, 'memory', contenders, { rounds: 1, isCounted: false });
  const { columns, rows } = tableOf(outcomes);
  const withoutCounts = (cells: readonly string[]) => cells.slice(0, 4);
  return {
    title: `A single layer of ${number(layerBytes / 1024 ** 3, 2)} GiB into a registry`,
    about: `In a layout: an eighth text, the rest random bytes. One round.`,
    columns: withoutCounts(columns),
    rows: rows.map(withoutCounts),
    shows: [...peakShown(outcomes, AS_IT_IS, 150), ...peakShown(outcomes, GZIP, 200)],
  };
}
