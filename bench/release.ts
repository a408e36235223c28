/**
 * Publishes 20 images on one base, each to a repository of its own: slipway in one run, the peers
 * in one run an image, in turns, to a docker-registry that is empty each time.
 *
 *     node bench/release.ts [RUNS [BASE_MIB [DELAY_MS]]]
 */
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { makeImagesOnBase } from '../test/faults/image.ts';
import { startDockerRegistry } from '../test/rig/docker-registry.ts';
import { tempDir } from '../test/rig/lifetime.ts';
import { ownerWithEnd } from '../test/rig/owner.ts';
import { missing, mustRun } from '../test/rig/programs.ts';
import { startDelay } from './delay.ts';
import { type Cost, inTurns, measure, print } from './measure.ts';
import { publishers, SLIPWAY } from './peers.ts';

const IMAGES = 20;
const MIB = 1024 * 1024;

const [runs = 3, baseMiB = 64, delayMs = 0] = process.argv.slice(2).map(Number);
const absent = missing('docker-registry', 'tar', 'time');
if (absent !== false) throw new Error(absent);
const { owner, end } = ownerWithEnd();
try {
  const { host: near, storage } = await startDockerRegistry(owner);
  const host = delayMs > 0 ? await startDelay(owner, near, delayMs) : near;
  const layouts = await makeImagesOnBase(owner, [(baseMiB * MIB) / 2, (baseMiB * MIB) / 2], {
    images: IMAGES,
    ownBytes: 256 * 1024,
  });
  const refs = layouts.map((_, at) => `${host}/app${at}:1`);
  const home = await tempDir(owner);
  const env = { HOME: home, SLIPWAY_HOME: path.join(home, 'slipway') };
  const [node = '', main = ''] = SLIPWAY;
  // Into the local store, where a release's images are when they have been built.
  for (const [at, layout] of layouts.entries()) {
    await mustRun(node, [main, 'copy', '-q', `oci:${layout}:1`, refs[at] ?? ''], { env });
  }
  const empty = async (): Promise<void> => {
    for (const name of await readdir(storage)) {
      await rm(path.join(storage, name), { recursive: true });
    }
  };
  const tools: Record<string, () => Promise<Cost>> = {
    slipway: async () => {
      await empty();
      return await measure([...SLIPWAY, 'push', '-q', ...refs], env);
    },
  };
  for (const [name, command] of Object.entries(publishers())) {
    if (name === 'slipway') continue;
    tools[name] = async () => {
      await empty();
      const costs: Cost[] = [];
      for (const [at, layout] of layouts.entries()) {
        costs.push(await measure(command(layout, '1', refs[at] ?? ''), env));
      }
      return {
        seconds: costs.reduce((sum, { seconds }) => sum + seconds, 0),
        peakMiB: Math.max(...costs.map(({ peakMiB }) => peakMiB)),
      };
    };
  }
  process.stdout.write(
    `${IMAGES} images on a base of ${baseMiB} MiB, ${delayMs} ms each way, slipway in one run, the others in ${IMAGES}, ${runs} times\n`,
  );
  print(await inTurns(runs, tools));
} finally {
  await end();
}
