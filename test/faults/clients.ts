import path from 'node:path';
import { runCommandLine } from '../../src/cli/run.ts';
import { findProgram, run } from '../rig/programs.ts';

/** What a client is asked to do. */
export interface Job {
  /** folder of the layout that holds the image `1`; or an image of the registry to copy from */
  readonly from: { readonly layout: string } | { readonly image: string };
  /** `HOST/PATH:TAG` in a plain registry */
  readonly to: string;
  /** the run is ended after so long */
  readonly limitMs: number;
  /** slipway's `--idle-timeout`, where it is not as short as it is for the other rows */
  readonly idleSeconds?: number | undefined;
}

export interface Done {
  readonly exit: number;
  readonly text: string;
}

/** A program that publishes images. */
export interface Client {
  readonly name: string;
  /** as the program tells it */
  version(): Promise<string>;
  publish(job: Job): Promise<Done>;
}

let runs = 0;

/** Slipway in this process: the whole command line, with a folder of its own below `home`. */
export const slipwayHere = (home: string): Client => ({
  name: 'slipway',
  version: async () => 'this one',
  async publish({ from, to, limitMs, idleSeconds = 1 }) {
    let text = '';
    const output = {
      out: (more: string) => {
        text += more;
      },
      err: (more: string) => {
        text += more;
      },
      isTerminal: false,
      columns: 80,
      hasColor: false,
    };
    const source = 'layout' in from ? `oci:${from.layout}:1` : `docker://${from.image}`;
    const args = ['copy', '--idle-timeout', `${idleSeconds}`, source, `docker://${to}`];
    // Ports come back: what is remembered of a host may be of another row's.
    process.env.SLIPWAY_HOME = path.join(home, `${runs++}`);
    return { exit: await runCommandLine(args, output, AbortSignal.timeout(limitMs)), text };
  },
});

const BUILT = path.resolve(import.meta.dirname, '../../dist/slipway.js');

/** Slipway as it is shipped (`npm run build`), and every peer that is installed. */
export function programs(home: string): readonly Client[] {
  const env = { HOME: home, SLIPWAY_HOME: path.join(home, 'slipway'), DOCKER_CONFIG: home };
  const program = (
    name: string,
    command: readonly string[],
    versionArgs: readonly string[],
    args: (job: Job) => readonly string[],
  ): Client => ({
    name,
    async version() {
      const [file = '', ...before] = command;
      const { stdout } = await run(file, [...before, ...versionArgs], { env });
      return (
        /[0-9]+\.[0-9]+(?:\.[0-9]+)?(?:[-+~][\w.+-]+)?/.exec(stdout)?.[0] ??
        process.env[`${name.toUpperCase()}_VERSION`] ??
        'of a version that it does not tell'
      );
    },
    async publish(job) {
      const [file = '', ...before] = command;
      const { code, stdout, stderr } = await run(file, [...before, ...args(job)], {
        env,
        timeoutMs: job.limitMs,
      });
      return { exit: code, text: stdout + stderr };
    },
  });
  // Go programs reserve little address space: an endless answer ends them, not the machine.
  const limited = (name: string) => ['prlimit', '--as=4294967296', '--', name];
  const skopeo = (name: string, more: readonly string[]) =>
    program(name, [...limited('skopeo')], ['--version'], ({ from, to }) => [
      'copy',
      ...more,
      '--quiet',
      '--src-tls-verify=false',
      '--dest-tls-verify=false',
      'layout' in from ? `oci:${from.layout}:1` : `docker://${from.image}`,
      `docker://${to}`,
    ]);
  const all = [
    program(
      'slipway',
      [process.execPath, BUILT],
      ['--version'],
      ({ from, to, idleSeconds = 5 }) => [
        'copy',
        '--idle-timeout',
        `${idleSeconds}`,
        'layout' in from ? `oci:${from.layout}:1` : `docker://${from.image}`,
        `docker://${to}`,
      ],
    ),
    program('crane', limited('crane'), ['version'], ({ from, to }) =>
      'layout' in from
        ? ['push', '--insecure', from.layout, to]
        : ['copy', '--insecure', from.image, to],
    ),
    program('oras', limited('oras'), ['version'], ({ from, to }) =>
      'layout' in from
        ? ['cp', '--no-tty', '--from-oci-layout', `${from.layout}:1`, '--to-plain-http', to]
        : ['cp', '--no-tty', '--from-plain-http', from.image, '--to-plain-http', to],
    ),
    skopeo('skopeo', []),
    skopeo('skopeo --retry-times 3', ['--retry-times', '3']),
  ];
  return all.filter(
    ({ name }) => name === 'slipway' || findProgram(name.split(' ')[0] ?? '') !== undefined,
  );
}
