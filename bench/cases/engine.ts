import { type Docker, missingNewerDocker, startDockerd } from '../../test/rig/dockerd.ts';
import { atEnd } from '../../test/rig/lifetime.ts';
import { ownerWithEnd } from '../../test/rig/owner.ts';
import { missing, missingEngine } from '../../test/rig/programs.ts';
import type { Bench, Case, Section } from '../bench.ts';
import { type Contender, contest, type Place } from '../contest.ts';
import { prepareArchive } from '../images/archive.ts';
import { number, ratioShown, tableOf } from '../report.ts';
import { slipway } from '../tools.ts';

const NAME = 'bench:1';
const GZIP = 'slipway gzip';
const ZSTD = 'slipway zstd';
const DOCKER = 'docker push';

export const classic: Case = {
  name: 'engine-classic',
  about: 'an image of a Docker engine with its classic store into an empty registry',
  missing: () => missing('docker-registry', 'tar') || missingEngine('docker', 'dockerd'),
  run: async (bench) => [await run(bench, 'classic', {})],
};

export const containerd: Case = {
  name: 'engine-containerd',
  about: "an image of a Docker engine with containerd's store into an empty registry",
  missing: () => missing('docker-registry', 'tar') || missingNewerDocker(),
  run: async (bench) => [await run(bench, "containerd's", { newer: 'containerd' })],
};

async function run(
  bench: Bench,
  store: string,
  options: Parameters<typeof startDockerd>[1],
): Promise<Section> {
  const { file, layerBytes } = await prepareArchive(bench);
  const { owner, end } = ownerWithEnd();
  try {
    bench.say(`a Docker engine with ${store} store loads the image`);
    const engine = await startDockerd(owner, options);
    await engine.docker('load', '-q', '-i', file);
    const outcomes = await contest(bench, `${store} store`, contendersOf(bench, engine));
    const mib = number(layerBytes / 1024 / 1024, 0);
    const version = await engine.docker('version', '--format', '{{.Server.Version}}');
    return {
      title: `An image of a Docker engine with ${store} store into a registry`,
      about: `The image of the archive above (${mib} MiB), loaded into Docker ${version}. CPU time holds the engine's.`,
      ...tableOf(outcomes),
      shows: [
        ...ratioShown(outcomes, GZIP, DOCKER, 0.7),
        ...ratioShown(outcomes, ZSTD, DOCKER, 0.5),
      ],
    };
  } finally {
    await end();
  }
}

function contendersOf(bench: Bench, engine: Docker): Contender[] {
  const copy = (format: string) => (host: string) => [
    ...['copy', '-q', '--compression', format, `docker-daemon:${NAME}`],
    `docker://${host}/${NAME}`,
  ];
  const { DOCKER_HOST = '' } = engine.env;
  const more = { env: { DOCKER_HOST }, daemonPid: engine.pid };
  return [
    ...slipway(bench, GZIP, copy('gzip'), more),
    dockerPush(engine),
    ...slipway(bench, ZSTD, copy('zstd'), more),
  ];
}

function dockerPush(engine: Docker): Contender {
  return {
    name: DOCKER,
    prepare: async ({ host, owner }: Place) => {
      await engine.docker('tag', NAME, `${host}/${NAME}`);
      atEnd(owner, () => engine.docker('rmi', `${host}/${NAME}`).then(() => {}));
    },
    publish: ({ host, env }) => [
      {
        args: ['docker', 'push', '-q', `${host}/${NAME}`],
        env: { ...env, ...engine.env },
        daemonPid: engine.pid,
      },
    ],
  };
}
