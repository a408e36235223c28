import type { CommandLine } from '../cli/in-process.ts';
import { MARKERS } from './markers.ts';

/** What the command lines of the cases are about. */
export interface Subject {
  /** `HOST:PORT` */
  readonly host: string;
  /** a file of `docker save` */
  readonly archive: string;
  /** a folder with a Dockerfile */
  readonly context: string;
  /** a folder for files that are written */
  readonly reports: string;
}

const REMOTE = ({ host }: Subject) => [`${host}/team/app:1`];
const LOCAL = () => ['app:1'];

/** Arguments with which each command does something where secrets are at hand. */
const ARGUMENTS: Readonly<Record<string, (subject: Subject) => readonly string[]>> = {
  push: ({ host, archive, reports }) => [
    ...['--from', `docker-archive:${archive}`, `${host}/team/app:1`, '--format', 'json'],
    ...['--digestfile', `${reports}/digest`, '--image-refs', `${reports}/refs`, '--verify'],
  ],
  copy: ({ host, archive, reports }) => [
    ...[`docker-archive:${archive}`, `docker://${host}/team/copy:1`, `oci:${reports}/layout:1`],
    ...['--require', 'any'],
  ],
  pull: REMOTE,
  build: ({ host, context }) => [
    ...['-t', `${host}/team/built:1`, '--push', '--engine', 'native', context],
  ],
  run: () => ['app:1', 'true'],
  load: ({ archive }) => ['-i', archive],
  save: ({ reports }) => ['-o', `${reports}/saved.tar`, 'app:1'],
  tag: ({ host }) => ['app:1', `${host}/team/app:2`],
  images: () => ['--format', 'json'],
  rmi: () => ['app:3'],
  'image ls': () => [],
  'image rm': () => ['app:3'],
  'image inspect': LOCAL,
  'image history': LOCAL,
  'image prune': () => [],
  'image load': ({ archive }) => ['-i', archive],
  'image save': ({ reports }) => ['-o', `${reports}/saved-too.tar`, 'app:1'],
  'image tag': () => ['app:1', 'app:3'],
  'image pull': REMOTE,
  'image push': ({ host }) => [`${host}/team/app:2`],
  inspect: REMOTE,
  ls: ({ host }) => [`${host}/team/app`, '--json'],
  verify: (subject) => ['--deep', ...REMOTE(subject)],
  rm: (subject) => REMOTE(subject),
  'index create': ({ host }) => [`${host}/team/index:1`, `docker://${host}/team/app:1`],
  'index append': ({ host }) => [`${host}/team/index:1`, `docker://${host}/team/app:1`],
  'index annotate': ({ host }) => [`${host}/team/index:1`, '--annotation', 'a=b'],
  'index rm': ({ host }) => [`${host}/team/index:1`, 'linux/amd64'],
  doctor: ({ host }) => [host],
  'registry serve': () => ['--listen', '127.0.0.1:0'],
  demo: () => [],
  login: ({ host }) => ['-u', MARKERS.username, '-p', MARKERS.password, host],
  logout: ({ host }) => [host],
};

/** The arguments of a command; undefined if nobody has said yet with which it should be tried. */
export function argumentsFor(command: string, subject: Subject): readonly string[] | undefined {
  return Object.hasOwn(ARGUMENTS, command) ? ARGUMENTS[command]?.(subject) : undefined;
}

/** All commands of the program that do something, as its own help lists them. */
export async function commandsOf({ run }: Pick<CommandLine, 'run'>): Promise<readonly string[]> {
  const listed = async (...words: readonly string[]): Promise<readonly string[]> => {
    const { stdout } = await run([...words, '--help']);
    const [, list = ''] = /^Commands:\n((?: .*\n?)*)/m.exec(stdout) ?? [];
    // A description that is broken into lines is indented further.
    return [...list.matchAll(/^ {2}([a-z][a-z-]*)/gm)]
      .map(([, name = '']) => name)
      .filter((name) => name !== 'help');
  };
  const commands: string[] = [];
  for (const command of await listed()) {
    const children = await listed(command);
    commands.push(
      ...(children.length === 0 ? [command] : children.map((child) => `${command} ${child}`)),
    );
  }
  return commands;
}
