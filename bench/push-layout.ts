/**
 * Publishes a layout with 1 GiB of layers that don't compress to a fresh docker-registry, with
 * slipway and with the peers that are there, in turns, and prints medians, ratios and peak memory.
 *
 *     npm run bench [-- RUNS [MIB_PER_LAYER]]
 */
import { createHash, randomBytes } from 'node:crypto';
import { open, rename } from 'node:fs/promises';
import path from 'node:path';
import { parseDigest } from '../src/oci/digest.ts';
import { MEDIA_TYPE } from '../src/oci/mediatype.ts';
import { startDockerRegistry } from '../test/rig/docker-registry.ts';
import { type Added, addImage, blobFile, startLayout } from '../test/rig/layouts.ts';
import { ownerWithEnd } from '../test/rig/owner.ts';
import { findProgram, missing } from '../test/rig/programs.ts';
import { type Cost, inTurns, measure, print } from './measure.ts';

const LAYERS = 4;
const ROOT = path.dirname(import.meta.dirname);

/** Writes a layer of random bytes; its diffID is its own digest, for nothing unpacks it. */
async function addRandomLayer(folder: string, sizeMiB: number): Promise<Added> {
  const draft = path.join(folder, 'draft');
  const hash = createHash('sha256');
  const file = await open(draft, 'w');
  for (let written = 0; written < sizeMiB; written++) {
    const chunk = randomBytes(1024 * 1024);
    hash.update(chunk);
    await file.write(chunk);
  }
  await file.close();
  const digest = parseDigest(`sha256:${hash.digest('hex')}`);

  await rename(draft, blobFile(folder, digest));
  return { mediaType: MEDIA_TYPE.ociLayerGzip, digest, size: sizeMiB * 1024 * 1024 };
}

/** The command line of each tool that is there. */
function commandsFor(layout: string): Readonly<Record<string, (host: string) => string[]>> {
  const slipway = path.join(ROOT, 'dist/slipway.js');
  const all: Record<string, (host: string) => string[]> = {
    slipway: (host) => [
      process.execPath,
      slipway,
      'copy',
      `oci:${layout}:x`,
      `docker://${host}/bench:x`,
    ],
  };
  if (findProgram('skopeo')) {
    all.skopeo = (host) => [
      ...['skopeo', 'copy', '--quiet', '--dest-tls-verify=false'],
      ...[`oci:${layout}:x`, `docker://${host}/bench:x`],
    ];
  }
  if (findProgram('crane')) {
    all.crane = (host) => ['crane', 'push', '--insecure', layout, `${host}/bench:x`];
  }
  return all;
}

/** One run into a registry of its own, whose storage is gone afterwards. */
async function runOnce(command: (host: string) => string[], home: string): Promise<Cost> {
  const { owner, end } = ownerWithEnd();
  try {
    const { host } = await startDockerRegistry(owner);
    return await measure(command(host), { HOME: home, SLIPWAY_HOME: path.join(home, 'slipway') });
  } finally {
    await end();
  }
}

const [runs = 5, sizeMiB = 256] = process.argv.slice(2).map(Number);
const absent = missing('docker-registry', 'time');
if (absent !== false) throw new Error(absent);
const { owner, end } = ownerWithEnd();
try {
  const layout = await startLayout(owner);
  const layers: Added[] = [];
  for (let count = 0; count < LAYERS; count++)
    layers.push(await addRandomLayer(layout.dir, sizeMiB));
  const image = await addImage(
    layout,
    'amd64',
    layers.map((layer) => ({ layer, diffId: layer.digest })),
  );
  await layout.name(image, 'x');
  const home = path.join(layout.dir, 'home');
  const commands = Object.entries(commandsFor(layout.dir));
  process.stdout.write(
    `${LAYERS} layers of ${sizeMiB} MiB into docker-registry, ${runs} runs each\n`,
  );
  const tools = Object.fromEntries(
    commands.map(([name, command]) => [name, () => runOnce(command, home)]),
  );
  print(await inTurns(runs, tools));
} finally {
  await end();
}
