import { missing } from '../../test/rig/programs.ts';
import type { Bench, Case, Section } from '../bench.ts';
import { contest } from '../contest.ts';
import { CURL, curlAlone } from '../floor.ts';
import { prepareLayout } from '../images/layout.ts';
import { fastest, number, peakShown, ratioShown, tableOf } from '../report.ts';
import { layoutPublishers } from '../tools.ts';

const MIB = 1024 * 1024;
const LAYERS = 4;

export const layout: Case = {
  name: 'layout',
  about: 'a layout of compressed layers into an empty registry, beside curl alone',
  missing: () => missing('docker-registry', 'curl'),
  run: async (bench) => [await run(bench)],
};

async function run(bench: Bench): Promise<Section> {
  const sizeBytes = Math.round(256 * bench.scale * MIB);
  const wanted = Array.from({ length: LAYERS }, (_, at) => ({ seed: `large ${at}`, sizeBytes }));
  const prepared = await prepareLayout(bench, `large-${bench.scale}`, wanted);
  const contenders = [...layoutPublishers(bench, prepared.folder), curlAlone(prepared)];
  const outcomes = await contest(bench, 'layout', contenders);
  const quickest = fastest(outcomes, (name) => !/slipway|floor/.test(name)) ?? '';
  return {
    title: 'A layout of compressed layers into a registry',
    about: `${LAYERS} layers of ${number(sizeBytes / MIB, 0)} MiB that are sent as they are. The floor is one \`curl\` for each layer, all at the same time, which sends no manifest and checks nothing.`,
    ...tableOf(outcomes),
    shows: [
      ...ratioShown(outcomes, 'slipway', quickest, 1),
      ...ratioShown(outcomes, 'slipway', CURL, 1.25),
      ...peakShown(outcomes, 'slipway', 150),
    ],
  };
}
