import { join } from 'node:path';
import { askGit } from '../build/git-program.ts';
import { collect, readFileBytes } from '../bytes/stream.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import { isJsonObject } from '../oci/json.ts';
import { isTag } from '../oci/reference.ts';
import { ALL, hostArchitecture } from './architectures.ts';
import type { Call } from './call.ts';
import { latestRelease } from './github.ts';
import { lookInto, textOf } from './image-files.ts';
import { packageVersion } from './packages.ts';
import { findImage } from './pull.ts';
import { listener, runInImage } from './run-in-image.ts';
import { expandTemplate } from './template.ts';
import type { VersionSource } from './version-source.ts';

type Parts = Omit<Call, 'version'>;
type Source = Exclude<VersionSource, string>;

const MAX_FILE_BYTES = 1024 * 1024;
const SHELL = '/bin/sh';

/** Makes what finds versions out, each once. */
export function versionFinder(parts: Parts): Call['version'] {
  const { variables, settings } = parts;
  const found = new Map<string, Promise<string>>();
  return (architecture) => {
    const { version } = settings;
    const isGiven = variables.version !== undefined || version === undefined;
    // What isn't in the image is the same for all architectures.
    const key = isFoundInImage(parts) && !isCommand(version) ? architecture : '';
    let asked = found.get(key);
    if (asked === undefined) {
      asked = isGiven
        ? Promise.resolve(checkVersion(variables.version ?? '', variables.versionName))
        : find(parts, architecture, version as Source);
      found.set(key, asked);
      // Another architecture's image may have what this one's hasn't.
      asked.catch(() => found.delete(key));
    }
    return asked;
  };
}

/** True if the version is known only when the image is there. */
export function isFoundInImage({
  variables,
  settings,
}: Pick<Call, 'variables' | 'settings'>): boolean {
  const { version } = settings;
  return variables.version === undefined && typeof version === 'object' && isInImage(version);
}

/** What it says is asked for once, where it can run. */
function isCommand(source: VersionSource | undefined): boolean {
  return typeof source === 'object' && 'command' in source;
}

function isInImage(source: Source): boolean {
  return ['label', 'env', 'file', 'command', 'package'].some((key) => key in source);
}

async function find(parts: Parts, architecture: string, source: Source): Promise<string> {
  const [what, text] = await read(parts, architecture, filled(parts, architecture, source));
  const picked = pick(text, source.pattern);
  if (picked === undefined || picked === '') {
    throw new SlipwayError('CONFIG_INVALID', `${what} has no version`, {
      hint: `say ${parts.variables.versionName}=…, or change make: version: in slipway.yaml`,
    });
  }
  return checkVersion(picked, what);
}

/** The source with the values of variables in its texts. */
function filled({ variables }: Parts, architecture: string, source: Source): Source {
  const lookUp = (name: string) => variables.lookUp(name, architecture, '');
  const texts = Object.entries(source).map(([key, value]): [string, unknown] => [
    key,
    // A command gets them as its environment.
    typeof value !== 'string' || key === 'pattern' || key === 'command'
      ? value
      : expandTemplate(value, lookUp, 'the version of slipway.yaml'),
  ]);
  return Object.fromEntries(texts) as unknown as Source;
}

/** Without a pattern all of the text counts, but for blanks around it. */
function pick(text: string, pattern: string | undefined): string | undefined {
  if (pattern === undefined) return text.trim();
  const match = new RegExp(pattern, 'mu').exec(text);
  return (match?.[1] ?? match?.[0])?.trim();
}

/** @throws SlipwayError `REFERENCE_INVALID` for what can't be part of a tag */
function checkVersion(version: string, what: string): string {
  if (version === '' || isTag(`v${version}`)) return version;
  const shown = version.length > 160 ? `${version.slice(0, 160)}…` : version;
  const why = version.length >= 128 ? 'is too long for a tag' : "can't be part of a tag";
  throw new SlipwayError(
    'REFERENCE_INVALID',
    `the version ${JSON.stringify(shown)} (${what}) ${why}`,
    { hint: 'a tag has 1 to 128 letters, digits, . _ and -' },
  );
}

/** What a source says, and what it is for people. */
async function read(parts: Parts, architecture: string, source: Source): Promise<[string, string]> {
  const { site } = parts;
  const { signal } = site;
  if ('github' in source) {
    const options = { hints: await site.hints(), env: site.env, signal };
    return [
      `the release of ${source.github}`,
      await latestRelease(source.github, source.api, options),
    ];
  }
  if ('git' in source) return ['git describe', await gitDescribe(site.folder, signal)];
  if ('packageJson' in source) {
    return [source.packageJson, await packageJsonVersion(join(site.folder, source.packageJson))];
  }
  if ('command' in source) {
    return ['what the command of version said', await saidBy(parts, architecture, source.command)];
  }
  const image = await findImage(parts, architecture);
  const spoolDir = await site.home();
  const looked = await lookInto(image, { signal, spoolDir, onClose: site.onClose });
  if ('label' in source) {
    return [
      `the label ${source.label} of ${looked.name}`,
      looked.config.labels[source.label] ?? '',
    ];
  }
  if ('env' in source) {
    return [`${source.env} in the environment of ${looked.name}`, looked.env(source.env) ?? ''];
  }
  if ('package' in source) {
    const name = source.package;
    return [`the package ${name}`, await packageVersion(looked, name, spoolDir)];
  }
  const file = await looked.file(source.file);
  if (file === undefined) {
    throw new SlipwayError('NOT_FOUND', `${looked.name} has no file ${source.file}`, {
      side: 'source',
    });
  }
  return [`${source.file} of ${looked.name}`, await textOf(file, MAX_FILE_BYTES)];
}

/** What a command says in the image that is meant. */
async function saidBy(
  parts: Parts,
  wanted: string,
  command: string | readonly string[],
): Promise<string> {
  // Of all architectures that of this machine is the one that can run.
  let architecture = parts.variables.architecture === ALL ? hostArchitecture() : wanted;
  const image = await findImage(parts, architecture).catch((error: unknown) => {
    if (!isSlipwayError(error, 'NOT_FOUND') || wanted === architecture) throw error;
    architecture = wanted;
    return findImage(parts, wanted);
  });
  const heard = listener();
  const interpreter = parts.settings.shell ?? SHELL;
  await runInImage(parts, { architecture, image, command, interpreter }, heard.say);
  return heard.text();
}

async function gitDescribe(folder: string, signal: AbortSignal): Promise<string> {
  const answer = await askGit(['describe', '--tags'], { cwd: folder, signal });
  if (answer?.status === 0) return answer.stdout.trim().replace(/^v(?=[0-9])/, '');
  const said = answer === undefined ? 'git is not there' : answer.stderr.trim();
  throw new SlipwayError('CONFIG_INVALID', `git describe tells no version of ${folder}: ${said}`);
}

async function packageJsonVersion(path: string): Promise<string> {
  const bytes = await collect(readFileBytes(path), MAX_FILE_BYTES, path);
  try {
    const json: unknown = JSON.parse(bytes.toString());
    if (isJsonObject(json) && typeof json.version === 'string') return json.version;
  } catch {
    // told below
  }
  throw new SlipwayError('CONFIG_INVALID', `${path} tells no version`, { path });
}
