/**
 * Publishes an image of 100 layers of 64 KiB to a docker-registry that is 50 ms away in each
 * direction, with slipway and with the peers that are there, in turns.
 *
 *     node bench/many-blobs.ts [RUNS [DELAY_MS]]
 */
import { makeImage } from '../test/faults/image.ts';
import { startDockerRegistry } from '../test/rig/docker-registry.ts';
import { tempDir } from '../test/rig/lifetime.ts';
import { ownerWithEnd } from '../test/rig/owner.ts';
import { missing } from '../test/rig/programs.ts';
import { type Recorded, startRecorder } from '../test/rig/recorder.ts';
import { startDelay } from './delay.ts';
import { type Cost, inTurns, measure, print } from './measure.ts';
import { publishers } from './peers.ts';

const BLOBS = 100;
const BLOB_BYTES = 64 * 1024;

const [runs = 5, delayMs = 50] = process.argv.slice(2).map(Number);
const absent = missing('docker-registry', 'tar', 'time');
if (absent !== false) throw new Error(absent);
const { owner, end } = ownerWithEnd();
try {
  const { layout } = await makeImage(owner, new Array<number>(BLOBS).fill(BLOB_BYTES));
  const requests = new Map<string, readonly Recorded[]>();
  const tools = Object.entries(publishers()).map(([name, command]) => {
    const once = async (): Promise<Cost> => {
      const one = ownerWithEnd();
      try {
        const { host } = await startDockerRegistry(one.owner);
        const recorder = await startRecorder(one.owner, host);
        const far = await startDelay(one.owner, recorder.host, delayMs);
        const home = await tempDir(one.owner);
        const cost = await measure(command(layout, '1', `${far}/blobs:1`), { HOME: home });
        requests.set(name, [...recorder.requests]);
        return cost;
      } finally {
        await one.end();
      }
    };
    return [name, once] as const;
  });
  process.stdout.write(
    `${BLOBS} blobs of ${BLOB_BYTES / 1024} KiB, ${delayMs} ms each way, ${runs} runs each\n`,
  );
  print(await inTurns(runs, Object.fromEntries(tools)));
  for (const [name, all] of requests) {
    // The config is a blob too.
    const blobs = all.filter(({ path }) => path.includes('/blobs/')).length / (BLOBS + 1);
    const kinds = Map.groupBy(all, ({ method }) => method);
    const list = [...kinds].map(([method, of]) => `${of.length} ${method}`).join(', ');
    process.stdout.write(`${name}: ${blobs.toFixed(2)} requests a blob (${list})\n`);
  }
} finally {
  await end();
}
