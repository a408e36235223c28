import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Signalled } from '../../content/transport.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { formatPlatform, type Platform } from '../../oci/platform.ts';
import type { BuildEngine, BuildOptions, BuildRequest, Suitability } from '../engine.ts';
import { argumentEnvironment } from './argument-environment.ts';
import { secretWords } from './buildkit-words.ts';
import { buildEachPlatform } from './each-platform.ts';
import { askProgram, runProgram, tellOutput } from './program.ts';
import { withStandardInput } from './standard-input.ts';
import { takeLayout } from './take.ts';
import { withTemporaryFolder } from './temporary.ts';

/**
 * buildah, with its own storage, configuration and environment
 * (https://github.com/containers/buildah/blob/main/docs/buildah-build.1.md).
 */
export function buildahEngine(program = 'buildah'): BuildEngine {
  return {
    name: 'buildah',
    probe: (request, options = {}) => probe(program, request, options),
    build: (request, options) =>
      buildEachPlatform(request, options, (platform) =>
        buildOne(program, request, platform, options),
      ),
  };
}

async function probe(
  program: string,
  { cacheFrom, cacheTo }: BuildRequest,
  { signal }: Signalled,
): Promise<Suitability> {
  const version = await askProgram(program, ['--version'], { signal });
  if (version?.status !== 0) {
    const reason = 'buildah is not installed';
    return { can: false, isAbsent: true, reason, hint: 'install buildah' };
  }
  const cache = [...cacheFrom, ...cacheTo].find((text) => repositoryOf(text) === undefined);
  if (cache !== undefined) {
    return {
      can: false,
      reason: `it keeps caches in registries only, not in ${JSON.stringify(cache)}`,
      hint: 'write type=registry,ref=REPOSITORY',
    };
  }
  const found = /\b(\d+\.\d+\.\d+)/.exec(version.stdout)?.[1];
  return { can: true, ...(found === undefined ? {} : { version: found }) };
}

async function buildOne(
  program: string,
  request: BuildRequest,
  platform: Platform | undefined,
  options: BuildOptions,
): Promise<Descriptor> {
  return await withTemporaryFolder(options.spoolDir, async (folder) => {
    const env = argumentEnvironment(request);
    const call = { engine: 'buildah', program, env, emit: options.emit, signal: options.signal };
    const idFile = join(folder, 'id');
    const { dockerfile } = request;
    if (dockerfile?.ignore !== undefined) {
      await writeFile(join(folder, 'ignore'), dockerfile.ignore);
    }
    const args = buildahArguments(request, platform, folder);
    const hintFor = (lastWords: readonly string[]) => isolationHint(request.isolation, lastWords);
    await withStandardInput(request, options, (stdin) =>
      runProgram({ ...call, args, hintFor, stdin }, (stdout) => tellOutput(stdout, call)),
    );
    const id = (await readFile(idFile, 'utf8')).trim();
    // Layers come as they are: they are compressed here, the same way on every machine.
    const push = ['push', '--quiet', '--disable-compression', id, 'oci:image:built'];
    await runProgram({ ...call, args: push, cwd: folder }, (stdout) => tellOutput(stdout, call));
    return await takeLayout(join(folder, 'image'), 'built', options);
  });
}

function buildahArguments(
  request: BuildRequest,
  platform: Platform | undefined,
  folder: string,
): readonly string[] {
  const { context, dockerfile, network, target, isolation, timestamps } = request;
  const each = (name: string, values: readonly (string | undefined)[]) =>
    values.flatMap((value) => (value === undefined ? [] : [`--${name}=${value}`]));
  const file =
    context.kind === 'folder'
      ? (dockerfile?.path ?? '-')
      : context.kind === 'empty'
        ? undefined
        : request.dockerfileInContext;
  return [
    'build',
    '--layers',
    ...each('iidfile', [join(folder, 'id')]),
    ...each('ignorefile', [dockerfile?.ignore === undefined ? undefined : join(folder, 'ignore')]),
    ...each('file', [file]),
    ...each('platform', [platform === undefined ? undefined : formatPlatform(platform)]),
    ...each(
      'build-arg',
      request.args.map(({ name, value, isFromEnvironment }) =>
        isFromEnvironment ? name : `${name}=${value}`,
      ),
    ),
    ...each('target', [target]),
    ...each('isolation', [isolation]),
    ...each('network', [network === 'default' ? undefined : network]),
    ...each('secret', request.secrets.map(secretWords)),
    ...each('ssh', request.ssh),
    ...each('cache-from', request.cacheFrom.map(repositoryOf)),
    ...each('cache-to', request.cacheTo.map(repositoryOf)),
    ...each('timestamp', [typeof timestamps === 'number' ? String(timestamps) : undefined]),
    ...(request.noCache ? ['--no-cache'] : []),
    ...(request.pull ? ['--pull-always'] : []),
    '--',
    context.kind === 'folder' ? context.path : context.kind === 'git' ? context.url : '-',
  ];
}

/** The repository of a cache in a registry, written as BuildKit or as buildah takes it. */
function repositoryOf(cache: string): string | undefined {
  if (!cache.includes('=')) return cache;
  const fields = new Map<string, string>();
  for (const field of cache.split(',')) {
    const [name = '', value = ''] = field.split(/=(.*)/s);
    if (name !== 'type' && name !== 'ref') return undefined;
    fields.set(name, value);
  }
  return fields.get('type') === 'registry' ? fields.get('ref') : undefined;
}

/** What buildah says where a machine doesn't let it make containers. */
const NO_CONTAINERS =
  /(?:creating|starting) container|container create message|operation not permitted|unshare|executable file not found in \$PATH/i;

/** A command that failed, or a machine that lets no command run? */
function isolationHint(isolation: string | undefined, lastWords: readonly string[]) {
  const isChosen = isolation !== undefined || process.env.BUILDAH_ISOLATION !== undefined;
  if (isChosen || !lastWords.some((line) => NO_CONTAINERS.test(line))) return undefined;
  return "buildah's default isolation can't run commands on this machine: try --isolation chroot";
}
