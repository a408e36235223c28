import { startDockerRegistry } from '../../test/rig/docker-registry.ts';
import { missingNewerDocker, startDockerd } from '../../test/rig/dockerd.ts';
import type { Owner } from '../../test/rig/lifetime.ts';
import { preparePodman, startPodmanService } from '../../test/rig/podman.ts';
import { missing, missingEngine, mustRun } from '../../test/rig/programs.ts';
import type { Bench, Case, Section } from '../bench.ts';
import {
  type Contender,
  contest,
  freshUser,
  type Outcome,
  secondTime,
  withOwner,
} from '../contest.ts';
import { type Archive, prepareArchive } from '../images/archive.ts';
import { named, number, ratioShown, requestsShown, tableOf } from '../report.ts';
import { slipway } from '../tools.ts';
import { type Engine, ofDocker, ofPodman } from './engines.ts';

const GZIP = 'slipway gzip';
const ZSTD = 'slipway zstd';
const AS_IT_IS = 'slipway';

const noDocker = () => missing('docker-registry', 'tar') || missingEngine('docker', 'dockerd');

export const classic: Case = {
  name: 'engine-classic',
  about: 'an image of a Docker engine with its classic store into an empty registry, and again',
  missing: noDocker,
  run: (bench) =>
    withOwner(bench, async (owner) => {
      const engine = ofDocker(await startDockerd(owner), 'classic');
      const archive = await load(bench, engine);
      return [await cold(bench, engine, archive), await again(bench, engine)];
    }),
};

export const containerd: Case = {
  name: 'engine-containerd',
  about: "an image of a Docker engine with containerd's store, loaded and pulled",
  missing: () => noDocker() || missingNewerDocker(),
  run: (bench) =>
    withOwner(bench, async (owner) => {
      const docker = await startDockerd(owner, { newer: 'containerd' });
      const engine = ofDocker(docker, "containerd's");
      const archive = await load(bench, engine);
      const loaded = await cold(bench, engine, archive);
      await pull(bench, engine, archive, owner);
      return [loaded, await pulled(bench, engine), await again(bench, engine)];
    }),
};

export const podman: Case = {
  name: 'engine-podman',
  about: 'an image of Podman into an empty registry',
  missing: () => missing('docker-registry', 'tar') || missingEngine('podman', 'runc'),
  run: (bench) =>
    withOwner(bench, async (owner) => {
      const prepared = await preparePodman(owner);
      const engine = ofPodman(prepared, await startPodmanService(owner, prepared));
      const rounds = Math.ceil(bench.rounds / 2);
      return [await cold({ ...bench, rounds }, engine, await load(bench, engine))];
    }),
};

async function load(bench: Bench, { title, command }: Engine): Promise<Archive> {
  const archive = await prepareArchive(bench);
  bench.say(`${title} loads the image`);
  await command('load', '-q', '-i', archive.file);
  return archive;
}

/** Publishes the image to a registry, compressed, and lets the engine pull it from there. */
async function pull(
  bench: Bench,
  { title, command }: Engine,
  { file }: Archive,
  owner: Owner,
): Promise<void> {
  bench.say(`${title} pulls the image`);
  const image = `${(await startDockerRegistry(owner)).host}/bench:1`;
  const [node = '', ...program] = bench.slipway;
  const args = [...program, 'copy', '-q', `docker-archive:${file}`, `docker://${image}`];
  await mustRun(node, args, { env: await freshUser(bench, owner) });
  // The layers are to be those of the registry.
  await command('rmi', '-f', 'bench:1');
  await command('pull', '-q', image);
  await command('tag', image, 'bench:1');
}

async function cold(bench: Bench, engine: Engine, { layerBytes }: Archive): Promise<Section> {
  const { title, pushName } = engine;
  const contenders = [
    ...ours(bench, engine, GZIP, ['--compression', 'gzip']),
    engine.push,
    ...ours(bench, engine, ZSTD, ['--compression', 'zstd']),
  ];
  const outcomes = await contest(bench, title, contenders);
  const mib = number(layerBytes / 1024 / 1024, 0);
  return {
    title: `An image of ${title} into a registry`,
    about: `The image of the archive above (${mib} MiB), loaded into ${await engine.version()}. ${engine.about}`,
    ...tableOf(outcomes),
    // Who sends layers as they are isn't compared with who compresses them.
    shows: doesCompress(outcomes, pushName)
      ? [...ratioShown(outcomes, GZIP, pushName, 0.7), ...ratioShown(outcomes, ZSTD, pushName, 0.5)]
      : [],
  };
}

function doesCompress(outcomes: readonly Outcome[], name: string): boolean {
  const [sent = 0, ours = 0] = [name, GZIP].map((one) => named(outcomes, one)?.layerBytes);
  return sent < 1.5 * ours;
}

async function pulled(bench: Bench, engine: Engine): Promise<Section> {
  const { title, pushName } = engine;
  const contenders = [...ours(bench, engine, AS_IT_IS, []), engine.push];
  const outcomes = await contest(bench, `${title}, pulled`, contenders);
  return {
    title: `An image that ${title} pulled, into a registry`,
    about: 'The same image with layers that the engine got compressed from a registry.',
    ...tableOf(outcomes),
    shows: ratioShown(outcomes, AS_IT_IS, pushName, 1),
  };
}

async function again(bench: Bench, engine: Engine): Promise<Section> {
  const { title } = engine;
  const contenders = [...ours(bench, engine, AS_IT_IS, []), engine.push].map(secondTime);
  const rounds = Math.ceil(bench.rounds / 2);
  const outcomes = await contest(bench, `${title}, again`, contenders, { rounds });
  return {
    title: `The same image of ${title}, to the same registry again`,
    about: `Published by the same tool just before: there is nothing new. ${engine.about}`,
    ...tableOf(outcomes),
    shows: requestsShown(outcomes, AS_IT_IS, 2),
  };
}

function ours(
  bench: Bench,
  { env, daemonPid }: Engine,
  name: string,
  flags: readonly string[],
): Contender[] {
  const args = (host: string) => [
    ...['copy', '-q', ...flags],
    ...['docker-daemon:bench:1', `docker://${host}/bench:1`],
  ];
  return slipway(bench, name, args, { env, ...(daemonPid === undefined ? {} : { daemonPid }) });
}
