/**
 * Builds an image of 100 MB of files and publishes it to a fresh docker-registry: natively, with
 * docker build and push, and with buildah, in turns; then again after one small file has changed.
 *
 *     node bench/build.ts [RUNS [MB]]
 */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startDockerRegistry } from '../test/rig/docker-registry.ts';
import { startDockerd } from '../test/rig/dockerd.ts';
import { tempDir } from '../test/rig/lifetime.ts';
import { ownerWithEnd } from '../test/rig/owner.ts';
import { preparePodman } from '../test/rig/podman.ts';
import { missing, missingEngine } from '../test/rig/programs.ts';
import { type Cost, inTurns, measure, print } from './measure.ts';

const ROOT = path.dirname(import.meta.dirname);
const FILES = 200;

/** Text that compresses about as program files do. */
function fileOf(sizeBytes: number): Buffer {
  const words = Array.from({ length: 512 }, () => randomBytes(6).toString('base64'));
  const parts: string[] = [];
  for (let length = 0; length < sizeBytes; ) {
    const word = words[Math.floor(Math.random() * words.length)] ?? '';
    parts.push(word);
    length += word.length;
  }
  return Buffer.from(parts.join('')).subarray(0, sizeBytes);
}

const [runs = '5', megabytes = '100'] = process.argv.slice(2);
const why = missing('docker-registry', 'buildah') || missingEngine('docker', 'dockerd');
if (why !== false) throw new Error(why);

const { owner, end } = ownerWithEnd();
try {
  const context = path.join(await tempDir(owner), 'context');
  await mkdir(path.join(context, 'files'), { recursive: true });
  const sizeBytes = Math.round((Number(megabytes) * 1_000_000) / FILES);
  for (let number = 0; number < FILES; number++) {
    await writeFile(path.join(context, 'files', String(number)), fileOf(sizeBytes));
  }
  await writeFile(
    path.join(context, 'Dockerfile'),
    'FROM scratch\nCOPY files /files\nCOPY small /small\n',
  );
  const { docker, env } = await startDockerd(owner);
  await docker('version');
  const podman = await preparePodman(owner);
  const home = await tempDir(owner);
  const slipway = path.join(ROOT, 'dist/slipway.js');
  let count = 0;

  /** One build and push by each; `fresh` forgets what was built before. */
  const round = async (fresh: boolean) =>
    inTurns(Number(runs), {
      slipway: async () => publish('slipway', fresh),
      docker: async () => publish('docker', fresh),
      buildah: async () => publish('buildah', fresh),
    });

  const publish = async (tool: string, fresh: boolean): Promise<Cost> => {
    const { host } = await registryFor(fresh);
    // New content for everybody: nobody may know the large layer, or only the small one is new.
    count++;
    await writeFile(path.join(context, 'small'), String(count));
    if (fresh) await writeFile(path.join(context, 'files/0'), fileOf(sizeBytes));
    const image = `${host}/bench:x`;
    const sum = (a: Cost, b: Cost): Cost => ({
      seconds: a.seconds + b.seconds,
      peakMiB: Math.max(a.peakMiB, b.peakMiB),
    });
    if (tool === 'slipway') {
      const command = [process.execPath, slipway, 'build', '--push', '-q', '-t', image, context];
      return measure(command, { SLIPWAY_HOME: home });
    }
    if (tool === 'docker') {
      const built = await measure(['docker', 'build', '-q', '-t', image, context], env);
      return sum(built, await measure(['docker', 'push', '-q', image], env));
    }
    const bud = ['buildah', 'bud', '--layers', '-q', '-t', image, context];
    const built = await measure(bud, podman.env);
    const push = ['buildah', 'push', '-q', '--tls-verify=false', image];
    return sum(built, await measure(push, podman.env));
  };

  let shared: { readonly host: string } | undefined;
  const registryFor = async (fresh: boolean) => {
    if (fresh || shared === undefined) shared = await startDockerRegistry(owner);
    return shared;
  };

  process.stdout.write(`${megabytes} MB in ${FILES} files, built and published\n`);
  print(await round(true));
  process.stdout.write('one small file changed\n');
  // The registry is new, and the large layer known to nobody in it.
  for (const tool of ['slipway', 'docker', 'buildah']) await publish(tool, false);
  print(await round(false));
} finally {
  await end();
}
