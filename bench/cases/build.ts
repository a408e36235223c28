import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startDockerd } from '../../test/rig/dockerd.ts';
import { preparePodman } from '../../test/rig/podman.ts';
import { missing, missingEngine } from '../../test/rig/programs.ts';
import type { Bench, Case, Section } from '../bench.ts';
import { type Contender, contest, type Place, withOwner } from '../contest.ts';
import { kept } from '../images/kept.ts';
import { cutText, sourcesKey } from '../images/layer.ts';
import { linkOrCopy } from '../images/link.ts';
import { fastest, number, ratioShown, tableOf } from '../report.ts';
import { slipway } from '../tools.ts';

const MIB = 1024 * 1024;
const FILES = 200;
const SLIPWAY = 'slipway';

export const build: Case = {
  name: 'build',
  about: 'files into an image and that into an empty registry, beside docker build and buildah',
  missing: () => missing('docker-registry', 'tar') || missingEngine('docker', 'dockerd'),
  run: async (bench) => [await run(bench)],
};

async function run(bench: Bench): Promise<Section> {
  return withOwner(bench, async (owner) => {
    const engine = await startDockerd(owner);
    const podman = bench.has('buildah') ? await preparePodman(owner) : undefined;
    const contexts = new Map<Place, string>();
    const sizeBytes = Math.round((96 * MIB * bench.scale) / FILES);
    const files = await kept(bench.images, `files-${bench.scale}-${await sourcesKey()}`, (draft) =>
      cutText(draft, FILES, sizeBytes),
    );
    let made = 0;
    /** Everybody's files are new to all: nothing of an earlier build helps. */
    const prepare = async (place: Place) => {
      const context = path.join(place.env.HOME ?? '', 'context');
      await makeContext(context, files, made++);
      contexts.set(place, context);
    };
    const two = (
      program: string,
      name: string,
      args: readonly string[],
      own: Readonly<Record<string, string>>,
      more: { readonly daemonPid?: number; readonly push?: readonly string[] },
    ): Contender => ({
      name,
      prepare,
      publish(place) {
        const { push = [], ...rest } = more;
        const image = `${place.host}/bench:1`;
        const env = { ...place.env, ...own };
        return [
          { ...rest, env, args: [program, ...args, '-q', '-t', image, contexts.get(place) ?? ''] },
          { ...rest, env, args: [program, 'push', '-q', ...push, image] },
        ];
      },
    });
    const contenders: Contender[] = [
      ...slipway(bench, SLIPWAY, () => []).map(
        (contender): Contender => ({
          ...contender,
          prepare,
          publish: (place) =>
            contender.publish(place).map((command) => ({
              ...command,
              args: [
                ...command.args,
                ...[
                  'build',
                  '--push',
                  '-q',
                  '-t',
                  `${place.host}/bench:1`,
                  contexts.get(place) ?? '',
                ],
              ],
            })),
        }),
      ),
      two('docker', 'docker build, docker push', ['build'], engine.env, { daemonPid: engine.pid }),
      ...(podman === undefined
        ? []
        : [
            two('buildah', 'buildah bud, buildah push', ['bud', '--layers'], podman.env, {
              push: ['--tls-verify=false'],
            }),
          ]),
    ];
    const rounds = Math.ceil(bench.rounds / 2);
    const outcomes = await contest(bench, 'build', contenders, { rounds });
    const quickest = fastest(outcomes, (name) => !/slipway/.test(name)) ?? '';
    return {
      title: 'Files into an image, and the image into a registry',
      about: `${FILES} files of text, ${number((FILES * sizeBytes) / MIB, 0)} MiB together, copied by a Dockerfile onto nothing. Rounds: ${rounds}.`,
      ...tableOf(outcomes),
      shows: ratioShown(outcomes, SLIPWAY, quickest, 1),
    };
  });
}

/** The prepared files, linked, and one that is different each time: it makes the layer a new one. */
async function makeContext(context: string, files: string, count: number): Promise<void> {
  await mkdir(path.join(context, 'files'), { recursive: true });
  for (const name of await readdir(files)) {
    await linkOrCopy(path.join(files, name), path.join(context, 'files', name));
  }
  await writeFile(path.join(context, 'files/number'), `${count}`);
  await writeFile(path.join(context, 'Dockerfile'), 'FROM scratch\nCOPY files /files\n');
}
