import { type Command, InvalidArgumentError, Option } from 'commander';
import { type BuildArg, type BuildSecret, ENGINE_NAMES, type EngineName } from '../build/engine.ts';
import { SlipwayError } from '../errors.ts';
import type { MediaTypeFamily } from '../oci/mediatype.ts';
import { type Platform, parsePlatform } from '../oci/platform.ts';
import { collectList, wholeNumber } from './flags.ts';

/** Options of a build, as commander gives them. */
export interface BuildFlags {
  readonly file?: string;
  readonly tag?: readonly string[];
  readonly buildArg?: readonly string[];
  readonly target?: string;
  readonly label?: readonly string[];
  readonly gitLabels?: boolean;
  readonly annotation?: readonly string[];
  readonly platform?: readonly string[];
  /** false for --no-cache */
  readonly cache?: boolean;
  readonly pull?: boolean;
  readonly secret?: readonly string[];
  readonly ssh?: readonly string[];
  readonly cacheFrom?: readonly string[];
  readonly cacheTo?: readonly string[];
  readonly output?: readonly string[];
  readonly iidfile?: string;
  readonly metadataFile?: string;
  readonly push?: boolean;
  readonly load?: boolean;
  readonly engine: EngineName | 'auto';
  readonly isolation?: string;
  readonly network?: string;
  readonly timestamps?: 'keep' | number;
  readonly compression?: 'gzip' | 'zstd';
  readonly compressionLevel?: number;
  readonly types?: MediaTypeFamily;
  readonly base?: string;
  readonly entrypoint?: string;
  readonly into?: string;
}

/** Adds docker's options of a build, and ours. */
export function addBuildFlags(command: Command): Command {
  const repeatable = (flags: string, description: string) =>
    new Option(flags, description).argParser(collectTexts);
  return command
    .option(
      '-f, --file <FILE>',
      'the Dockerfile; - is standard input (default: CONTEXT/Dockerfile)',
    )
    .addOption(repeatable('-t, --tag <REF>', 'a name of the image; repeatable'))
    .addOption(repeatable('--build-arg <NAME[=VALUE]>', 'a value for ARG; else of the environment'))
    .option('--target <STAGE>', 'the stage to build (default: the last one)')
    .addOption(repeatable('--label <NAME=VALUE>', 'a label of the image'))
    .option('--git-labels', 'labels that say of which commit of which repository it is made')
    .addOption(
      repeatable(
        '--annotation <NAME=VALUE>',
        'an annotation of the manifest; index:NAME=VALUE of the index',
      ),
    )
    .addOption(
      new Option(
        '--platform <LIST>',
        'build for these: os/arch[/variant], comma-separated or repeated; several make an index',
      ).argParser(collectList),
    )
    .option('--no-cache', 'do every step anew')
    .option('--pull', 'look in the registry for newer base images')
    .addOption(
      repeatable(
        '--secret <SECRET>',
        'for RUN --mount=type=secret: id=ID,src=FILE or id=ID,env=NAME',
      ),
    )
    .addOption(repeatable('--ssh <AGENT>', 'for RUN --mount=type=ssh: default or ID=SOCKET'))
    .addOption(repeatable('--cache-from <CACHE>', 'a cache elsewhere, as type=registry,ref=REF'))
    .addOption(repeatable('--cache-to <CACHE>', 'where the cache goes, as type=registry,ref=REF'))
    .addOption(
      repeatable(
        '-o, --output <LOCATION>',
        'put the image there too: oci:DIR, docker-archive:FILE …, or as docker writes it: type=oci,dest=FILE; the files of the image: a folder, or type=tar,dest=FILE',
      ),
    )
    .option('--iidfile <FILE>', 'write the digest of the image to FILE')
    .option('--metadata-file <FILE>', 'write what was built to FILE, as JSON')
    .option('--push', 'publish it under every -t')
    .option('--load', 'put it into the running engine under every -t')
    .addOption(
      new Option('--engine <ENGINE>', 'what builds')
        .choices(['auto', ...ENGINE_NAMES])
        .default('auto'),
    )
    .option('--isolation <KIND>', 'how buildah runs commands: oci, rootless or chroot')
    .option('--network <MODE>', 'network of commands: default, none or host')
    .addOption(
      new Option(
        '--timestamps <WHEN>',
        'keep, or seconds since 1970 for what is later (default: SOURCE_DATE_EPOCH)',
      ).argParser(timestamps),
    )
    .addOption(
      new Option('--compression <FORMAT>', 'of layers that are made (default: gzip)').choices([
        'gzip',
        'zstd',
      ]),
    )
    .option('--compression-level <N>', 'gzip 1 to 9, zstd 1 to 19', wholeNumber)
    .addOption(
      new Option('--types <FAMILY>', 'media types of what is made (default: oci)').choices([
        'oci',
        'docker',
      ]),
    )
    .option('--entrypoint <COMMAND>', 'without a Dockerfile: what an image of the folder runs')
    .option('--base <IMAGE>', 'without a Dockerfile: the image below the folder (default: scratch)')
    .option('--into <DIR>', 'without a Dockerfile: where the folder goes (default: /app)');
}

function collectTexts(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

function timestamps(text: string): 'keep' | number {
  if (text === 'keep') return text;
  const seconds = epoch(text);
  if (seconds === undefined) throw new InvalidArgumentError('neither keep nor seconds since 1970');
  return seconds;
}

function epoch(text: string): number | undefined {
  return /^[0-9]{1,11}$/.test(text) ? Number(text) : undefined;
}

/**
 * The date that was asked for: by the option, else by `SOURCE_DATE_EPOCH`
 * (https://reproducible-builds.org/specs/source-date-epoch/).
 */
export function wantedTimestamps(
  { timestamps: wanted }: BuildFlags,
  env: NodeJS.ProcessEnv,
): 'keep' | number | undefined {
  const text = env.SOURCE_DATE_EPOCH;
  if (wanted !== undefined || text === undefined || text === '') return wanted;
  const seconds = epoch(text);
  if (seconds !== undefined) return seconds;
  throw new SlipwayError('USAGE', 'SOURCE_DATE_EPOCH is no number of seconds since 1970');
}

/** What was given for ARGs; a name that isn't set in the environment is left out, as docker does. */
export function buildArgs(
  texts: readonly string[] = [],
  env: NodeJS.ProcessEnv,
): readonly BuildArg[] {
  return texts.flatMap((text): readonly BuildArg[] => {
    const [name = '', value] = text.split(/=(.*)/s);
    if (name === '') throw invalid('--build-arg', text, 'NAME=VALUE or NAME');
    if (value !== undefined) return [{ name, value, isFromEnvironment: false }];
    const found = env[name];
    return found === undefined ? [] : [{ name, value: found, isFromEnvironment: true }];
  });
}

/** Labels: `NAME=VALUE`, or `NAME` for an empty one. */
export function labels(texts: readonly string[] = []): Readonly<Record<string, string>> {
  return Object.fromEntries(texts.map((text) => pair('--label', text)));
}

/** Annotations by where they go. */
export function annotations(texts: readonly string[] = []): {
  readonly manifest: Readonly<Record<string, string>>;
  readonly index: Readonly<Record<string, string>>;
} {
  const manifest: [string, string][] = [];
  const index: [string, string][] = [];
  for (const text of texts) {
    const [, places, rest = text] =
      /^((?:manifest|index)(?:,(?:manifest|index))*):(.*)$/s.exec(text) ?? [];
    const noted = pair('--annotation', rest);
    if (noted[1] === '') throw invalid('--annotation', text, 'NAME=VALUE');
    if (places === undefined || places.includes('manifest')) manifest.push(noted);
    if (places?.includes('index')) index.push(noted);
  }
  return { manifest: Object.fromEntries(manifest), index: Object.fromEntries(index) };
}

function pair(option: string, text: string): [string, string] {
  const [name = '', value = ''] = text.split(/=(.*)/s);
  if (name === '') throw invalid(option, text, 'NAME=VALUE');
  return [name, value];
}

/** Secrets as docker writes them: `id=ID[,src=FILE|,env=NAME][,type=file|env]`. */
export function buildSecrets(texts: readonly string[] = []): readonly BuildSecret[] {
  return texts.map((text) => {
    const fields = new Map(
      text.split(',').map((field): [string, string] => {
        const [name = '', value = ''] = field.split(/=(.*)/s);
        return [name, value];
      }),
    );
    const known = ['id', 'src', 'source', 'env', 'type'];
    const id = fields.get('id') ?? '';
    const type = fields.get('type') ?? '';
    const file = fields.get('src') ?? fields.get('source');
    const variable = fields.get('env');
    const isKnown = [...fields.keys()].every((name) => known.includes(name));
    const isOne = file === undefined || variable === undefined;
    if (id === '' || !isKnown || !isOne || !['', 'file', 'env'].includes(type)) {
      throw new SlipwayError('USAGE', 'a --secret is not id=ID,src=FILE or id=ID,env=NAME');
    }
    if (variable !== undefined) return { id, variable };
    // Without a place it is the variable of that name, else the file.
    if (type === 'env') return { id, variable: file ?? id };
    if (file === undefined && type === '' && process.env[id] !== undefined) {
      return { id, variable: id };
    }
    return { id, file: file ?? id };
  });
}

/** The platforms to build for, each once. */
export function buildPlatforms(texts: readonly string[] = []): readonly Platform[] {
  return texts.map((text) => parsePlatform(text));
}

function invalid(option: string, text: string, form: string): SlipwayError {
  return new SlipwayError('USAGE', `${option} ${JSON.stringify(text)} is not ${form}`);
}
