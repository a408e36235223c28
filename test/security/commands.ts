import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { CommandLine } from '../cli/in-process.ts';
import { MARKERS } from './markers.ts';

/** What the command lines of the cases are about. */
export interface Subject {
  /** `HOST:PORT` */
  readonly host: string;
  /** a file of `docker save` */
  readonly archive: string;
  /** a folder with what `writeProject` writes */
  readonly context: string;
  /** a folder for files that are written */
  readonly reports: string;
}

const REMOTE = ({ host }: Subject) => [`${host}/team/app:1`];
const LOCAL = () => ['app:1'];
const PROJECT = ({ context }: Subject) => ['--dir', context];

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
  'registry gc': ({ reports }) => ['--storage', reports],
  demo: () => [],
  make: ({ host, context }) => [
    ...['-C', context, 'history', 'push', `REGISTRY=${host}`, 'ORGNAME=team', 'SVCNAME=app'],
    ...['VERSION=1', 'ARCH=x86_64'],
  ],
  'jet steps': ({ context }) => ['--dir', context, '--push', '--dockercfg-command', 'true'],
  'jet validate': PROJECT,
  'jet load': (subject) => [...PROJECT(subject), 'app'],
  'jet run': (subject) => [...PROJECT(subject), 'app', 'true'],
  'jet cleanup': () => [],
  'jet generate': PROJECT,
  'jet encrypt': (subject) => [...PROJECT(subject), 'Dockerfile', 'Dockerfile.encrypted'],
  'jet decrypt': (subject) => [...PROJECT(subject), 'Dockerfile.encrypted', 'Dockerfile.plain'],
  'jet version': () => [],
  'dimg list': PROJECT,
  'dimg build': PROJECT,
  'dimg push': (subject) => [...PROJECT(subject), `${subject.host}/team`],
  'dimg bp': (subject) => [...PROJECT(subject), `${subject.host}/team`],
  'dimg spush': (subject) => [...PROJECT(subject), `${subject.host}/team/app`],
  'dimg tag': (subject) => [...PROJECT(subject), `${subject.host}/team`],
  'dimg stages push': (subject) => [...PROJECT(subject), `${subject.host}/team`],
  'dimg stages pull': (subject) => [...PROJECT(subject), `${subject.host}/team`],
  'dimg stages cleanup local': (subject) => [
    ...[...PROJECT(subject), '--improper-repo-cache', `${subject.host}/team`],
  ],
  'dimg stages cleanup repo': (subject) => [
    ...[...PROJECT(subject), '--improper-cache-version', `${subject.host}/team`],
  ],
  'dimg stages flush local': PROJECT,
  'dimg stages flush repo': (subject) => [...PROJECT(subject), `${subject.host}/team`],
  'dimg stage image': PROJECT,
  'dimg run': (subject) => [...PROJECT(subject), 'app', '--', 'true'],
  'dimg cleanup repo': (subject) => [
    ...[...PROJECT(subject), `${subject.host}/team`, '--without-kube'],
  ],
  'dimg flush local': PROJECT,
  'dimg flush repo': (subject) => [...PROJECT(subject), `${subject.host}/team`],
  'dimg mrproper': () => ['--all'],
  slug: () => ['Any Text'],
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
  const below = async (words: readonly string[]): Promise<readonly string[]> => {
    const commands: string[] = [];
    for (const name of await listed(...words)) {
      const command = [...words, name];
      const children = await below(command);
      commands.push(...(children.length === 0 ? [command.join(' ')] : children));
    }
    return commands;
  };
  return await below([]);
}

/** True for a command that asks registries, and may be told how often. */
export async function takesRetries(
  { run }: Pick<CommandLine, 'run'>,
  command: string,
): Promise<boolean> {
  const { stdout } = await run([...command.split(' '), '--help']);
  return stdout.includes('--retries');
}

/** Writes what builds and the dialects read: a folder whose image comes from a registry. */
export async function writeProject(folder: string, host: string): Promise<void> {
  const files = {
    Dockerfile: `FROM ${host}/team/app:1\nUSER 1\n`,
    'codeship-services.yml': `app:\n  build:\n    image: ${host}/team/jet\n    dockerfile: Dockerfile\n`,
    'codeship-steps.yml': `- {type: push, service: app, image_name: ${host}/team/jet, registry: ${host}}\n`,
    'werf.yaml': `project: app\n---\ndimg: app\nfrom: ${host}/team/app:1\n`,
  };
  for (const [name, text] of Object.entries(files)) await writeFile(path.join(folder, name), text);
}
