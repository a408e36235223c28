import path from 'node:path';
import { missing } from '../../test/rig/programs.ts';
import type { Bench, Case, Section } from '../bench.ts';
import { type Contender, contest } from '../contest.ts';
import { type Family, prepareFamily, storeFamily } from '../images/family.ts';
import { fastest, number, ratioShown, tableOf } from '../report.ts';
import { layoutPeers, slipway } from '../tools.ts';

const IMAGES = 20;
const BASE_MIB = 64;

export const release: Case = {
  name: 'release',
  about: '20 images on one base, each to a repository of its own, near and 20 ms away',
  missing: () => missing('docker-registry'),
  async run(bench) {
    const far = Math.ceil(bench.rounds / 3);
    return [await run(bench, 0, Math.ceil(bench.rounds / 2)), await run(bench, 20, far)];
  },
};

async function run(bench: Bench, delayMs: number, rounds: number): Promise<Section> {
  const count = bench.scale < 0.01 ? 3 : IMAGES;
  const family = await prepareFamily(bench, count, BASE_MIB);
  const contenders = [...ours(bench, family), ...peers(bench, family)];
  const away = delayMs === 0 ? 'near' : `${delayMs} ms away`;
  const outcomes = await contest(bench, `release, ${away}`, contenders, {
    ...{ rounds, delayMs, image: 'app0:1' },
    isCounted: delayMs === 0,
  });
  const quickest = fastest(outcomes, (name) => !/slipway/.test(name)) ?? '';
  return {
    title: `${count} images on one base into a registry ${away}`,
    about: `Two shared layers of ${number(BASE_MIB * bench.scale, 0)} MiB together, and one of 256 KiB of each image's own. Slipway publishes the release in one run from its store, the others in one run an image from layouts. Rounds: ${rounds}.`,
    ...tableOf(outcomes),
    shows: ratioShown(outcomes, 'slipway', quickest, 1),
  };
}

const repository = (at: number) => `app${at}:1`;

function ours(bench: Bench, family: Family): Contender[] {
  const names = (host: string) => family.layouts.map((_, at) => `${host}/${repository(at)}`);
  return slipway(bench, 'slipway', (host) => ['push', '-q', ...names(host)]).map((contender) => ({
    ...contender,
    prepare: ({ host, env }) =>
      storeFamily(path.join(env.SLIPWAY_HOME ?? '', 'store'), family, names(host)),
  }));
}

/** Each peer publishes one image after the other. */
function peers(bench: Bench, { layouts }: Family): Contender[] {
  const all = layouts.map((folder, at) => layoutPeers(bench, folder, repository(at)));
  return (all[0] ?? []).map(({ name }, which) => ({
    name,
    publish: (place) => all.flatMap((image) => image[which]?.publish(place) ?? []),
  }));
}
