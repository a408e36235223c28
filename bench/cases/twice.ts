import { startDockerRegistry } from '../../test/rig/docker-registry.ts';
import { missing, run as runProgram } from '../../test/rig/programs.ts';
import type { Bench, Case, Section } from '../bench.ts';
import { type Contender, contest, freshUser, withOwner } from '../contest.ts';
import { type Archive, prepareArchive } from '../images/archive.ts';
import { number, ratioShown, tableOf } from '../report.ts';
import { slipway } from '../tools.ts';

const MIB = 1024 * 1024;

export const twice: Case = {
  name: 'twice',
  about:
    'what is compressed for a second tag, run, repository and registry, and for two registries at once',
  missing: () => missing('docker-registry', 'tar'),
  async run(bench) {
    const archive = await prepareArchive(bench);
    return [await runs(bench, archive), await registries(bench, archive)];
  },
};

/** One user publishes the same archive again and again. */
async function runs(bench: Bench, archive: Archive): Promise<Section> {
  return withOwner(bench, async (owner) => {
    const [first, second] = [await startDockerRegistry(owner), await startDockerRegistry(owner)];
    const env = await freshUser(bench, owner);
    const steps: readonly (readonly [string, readonly string[]])[] = [
      ['first run', [`${first.host}/bench:1`]],
      ['the same again', [`${first.host}/bench:1`]],
      ['a second tag', [`${first.host}/bench:2`]],
      ['another repository', [`${first.host}/other:1`]],
      ['another registry', [`${second.host}/bench:1`]],
      ['both registries at once', [`${first.host}/both:1`, `${second.host}/both:1`]],
    ];
    const rows: string[][] = [];
    let again = 0;
    for (const [at, [what, refs]] of steps.entries()) {
      bench.say(`twice: ${what}`);
      const done = await publish(bench, archive, refs, env);
      if (at > 0) again += done.layers;
      const { seconds, layers, rawBytes, requests, bytesSent } = done;
      const sizes = [number(rawBytes / MIB, 0), number(bytesSent / MIB, 1)];
      rows.push([
        what,
        number(seconds, 2),
        `${layers}`,
        sizes[0] ?? '',
        `${requests}`,
        sizes[1] ?? '',
      ]);
    }
    return {
      title: 'Nothing is compressed twice',
      about:
        'One user, one archive, one run after the other. Requests and bytes as Slipway counts them.',
      columns: ['', 'seconds', 'layers compressed', 'their MiB', 'requests', 'MiB sent'],
      rows,
      shows: [
        { what: 'layers compressed after the first run', value: again, atMost: 0, unit: 'count' },
      ],
    };
  });
}

async function publish(
  { slipway: [node = '', ...program] }: Bench,
  { file }: Archive,
  refs: readonly string[],
  env: Readonly<Record<string, string>>,
) {
  const args = [
    'push',
    '--progress',
    'json',
    '--format',
    'json',
    '--from',
    `docker-archive:${file}`,
  ];
  const started = performance.now();
  const { code, stdout, stderr } = await runProgram(node, [...program, ...args, ...refs], { env });
  const seconds = (performance.now() - started) / 1000;
  if (code !== 0) throw new Error(`slipway push ended with ${code}: ${stderr.slice(-2000)}`);
  const made = stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { readonly type: string; readonly size?: number })
    .filter(({ type }) => type === 'compress.done');
  const { destinations } = JSON.parse(stdout) as {
    readonly destinations: readonly { readonly requests: number; readonly bytesSent: number }[];
  };
  return {
    seconds,
    layers: made.length,
    rawBytes: made.reduce((sum, { size = 0 }) => sum + size, 0),
    requests: destinations.reduce((sum, { requests }) => sum + requests, 0),
    bytesSent: destinations.reduce((sum, { bytesSent }) => sum + bytesSent, 0),
  };
}

/** What a second registry costs in the same run, when nothing is known yet. */
async function registries(bench: Bench, { file }: Archive): Promise<Section> {
  const further = new Map<string, string>();
  const to = (hosts: (host: string) => string[]) => (host: string) => [
    ...['copy', '-q', `docker-archive:${file}`],
    ...hosts(host).map((each) => `docker://${each}/bench:1`),
  ];
  const [TWO, ONE] = ['slipway, two registries', 'slipway, one registry'];
  const two: Contender[] = slipway(
    bench,
    TWO,
    to((host) => [host, further.get(host) ?? '']),
  );
  const contenders = [
    ...two.map(
      (contender): Contender => ({
        ...contender,
        prepare: async ({ host, owner }) => {
          further.set(host, (await startDockerRegistry(owner)).host);
        },
      }),
    ),
    ...slipway(
      bench,
      ONE,
      to((host) => [host]),
    ),
  ];
  const rounds = Math.ceil(bench.rounds / 2);
  const outcomes = await contest(bench, 'two registries', contenders, { rounds });
  return {
    title: 'One registry, and two in the same run',
    about: `The archive, gzip; rounds: ${rounds}. Requests and bytes are those of the first registry.`,
    ...tableOf(outcomes),
    shows: ratioShown(outcomes, TWO, ONE, 1.5),
  };
}
