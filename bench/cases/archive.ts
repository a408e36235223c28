import { missing } from '../../test/rig/programs.ts';
import type { Bench, Case, Section, Shown } from '../bench.ts';
import { type Contender, contest, type Outcome } from '../contest.ts';
import { compressAlone, compressionFloor } from '../floor.ts';
import { prepareArchive } from '../images/archive.ts';
import { named, number, peakShown, ratioShown, tableOf } from '../report.ts';
import { peer, skopeoCopy, slipway } from '../tools.ts';

const GZIP = 'slipway gzip';
const ZSTD = 'slipway zstd';

export const archive: Case = {
  name: 'archive',
  about: 'a docker save archive into an empty registry: compressed with gzip, and with zstd',
  missing: () => missing('docker-registry', 'tar'),
  run: async (bench) => [await run(bench)],
};

async function run(bench: Bench): Promise<Section> {
  const { file, layers, layerBytes, mixture } = await prepareArchive(bench);
  const copy = (format: string) => (host: string) => [
    ...['copy', '-q', '--compression', format, `docker-archive:${file}`],
    `docker://${host}/bench:1`,
  ];
  const from = `docker-archive:${file}`;
  const skopeo = (format: string): Contender =>
    peer(`skopeo ${format}`, (host) =>
      skopeoCopy(from, `docker://${host}/bench:1`, '--dest-compress-format', format),
    );
  const contenders: Contender[] = [
    ...slipway(bench, GZIP, copy('gzip')),
    ...(bench.has('skopeo') ? [skopeo('gzip')] : []),
    ...(bench.has('crane')
      ? [peer('crane', (host) => ['crane', 'push', '--insecure', file, `${host}/bench:1`])]
      : []),
    ...slipway(bench, ZSTD, copy('zstd')),
    ...(bench.has('skopeo') ? [skopeo('zstd')] : []),
    compressAlone('gzip', layers),
    compressAlone('zstd', layers),
  ];
  const outcomes = await contest(bench, 'archive', contenders);
  const mib = number(layerBytes / 1024 / 1024, 0);
  return {
    title: 'An archive of `docker save` into a registry',
    about: `${layers.length} layers of ${mib} MiB together: ${mixture}. The floor is Slipway's own compressor on all cores and nothing else.`,
    ...tableOf(outcomes),
    shows: [
      ...ratioShown(outcomes, GZIP, 'skopeo gzip', 0.85),
      ...sizeShown(outcomes, GZIP, 'skopeo gzip', 1.05),
      ...ratioShown(outcomes, GZIP, 'crane', 0.6),
      ...ratioShown(outcomes, GZIP, compressionFloor('gzip'), 1.3),
      ...ratioShown(outcomes, ZSTD, 'skopeo gzip', 0.45),
      ...sizeShown(outcomes, ZSTD, 'skopeo gzip', 1),
      ...ratioShown(outcomes, ZSTD, compressionFloor('zstd'), 1.3),
      ...peakShown(outcomes, GZIP, 200),
      ...peakShown(outcomes, ZSTD, 200),
    ],
  };
}

/** Compressed size of the first by that of the second. */
function sizeShown(
  outcomes: readonly Outcome[],
  one: string,
  other: string,
  atMost: number,
): Shown[] {
  const [a, b] = [named(outcomes, one)?.layerBytes, named(outcomes, other)?.layerBytes];
  if (a === undefined || b === undefined) return [];
  return [{ what: `size: ${one} ÷ ${other}`, value: a / b, atMost }];
}
