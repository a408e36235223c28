import { missing } from '../../test/rig/programs.ts';
import type { Bench, Case, Section } from '../bench.ts';
import { contest } from '../contest.ts';
import { prepareLayout } from '../images/layout.ts';
import { fastest, ratioShown, tableOf } from '../report.ts';
import { layoutPublishers } from '../tools.ts';

const LAYERS = 100;
const LAYER_BYTES = 64 * 1024;

export const many: Case = {
  name: 'many',
  about: 'an image of 100 small layers into an empty registry, near and 20 ms away',
  missing: () => missing('docker-registry'),
  async run(bench) {
    return [await run(bench, 0, bench.rounds), await run(bench, 20, Math.ceil(bench.rounds / 2))];
  },
};

async function run(bench: Bench, delayMs: number, rounds: number): Promise<Section> {
  const count = bench.scale < 0.01 ? LAYERS / 10 : LAYERS;
  const wanted = Array.from({ length: count }, (_, at) => ({
    seed: `small ${at}`,
    sizeBytes: LAYER_BYTES,
  }));
  const { folder } = await prepareLayout(bench, `${count}-small`, wanted);
  const contenders = layoutPublishers(bench, folder);
  const away = delayMs === 0 ? 'near' : `${delayMs} ms away`;
  const outcomes = await contest(bench, `many, ${away}`, contenders, {
    ...{ rounds, delayMs },
    isCounted: delayMs === 0,
  });
  const quickest = fastest(outcomes, (name) => !/slipway/.test(name)) ?? '';
  return {
    title: `${count} small layers into a registry ${away}`,
    about: `${LAYER_BYTES / 1024} KiB each${delayMs === 0 ? '' : `; every byte arrives ${delayMs} ms later, in both directions. Rounds: ${rounds}`}.`,
    ...tableOf(outcomes),
    shows: ratioShown(outcomes, 'slipway', quickest, 1),
  };
}
