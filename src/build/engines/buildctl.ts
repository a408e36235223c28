import { basename, dirname, join } from 'node:path';
import type { Signalled } from '../../content/transport.ts';
import { formatPlatform } from '../../oci/platform.ts';
import type { BuildEngine, BuildRequest, Suitability } from '../engine.ts';
import { epochEnvironment, exporterWords, listed, secretWords } from './buildkit-words.ts';
import { askProgram, runProgram } from './program.ts';
import { takeArchive } from './take.ts';
import { withTemporaryFile } from './temporary.ts';

/**
 * BuildKit through its own client: the daemon that `BUILDKIT_HOST` names, or the one of this
 * machine (https://github.com/moby/buildkit#exploring-dockerfiles). Written from its documentation.
 */
export function buildctlEngine(program = 'buildctl'): BuildEngine {
  return {
    name: 'buildctl',
    probe: (request, options = {}) => probe(program, request, options),
    async build(request, options) {
      const { emit, signal, spoolDir } = options;
      const build = (dockerfile: string | undefined, emptyDir: string | undefined) =>
        runProgram(
          {
            engine: 'buildctl',
            program,
            args: buildctlArguments(request, dockerfile, emptyDir),
            env: epochEnvironment(request),
            emit,
            signal,
          },
          (stdout) => takeArchive(stdout, 'buildctl', options),
        );
      const { context, dockerfile } = request;
      if (dockerfile?.path !== undefined || context.kind === 'git' || dockerfile === undefined) {
        return await build(dockerfile?.path, undefined);
      }
      return await withTemporaryFile(spoolDir, 'Dockerfile', dockerfile.bytes, (path) =>
        build(path, join(dirname(path), 'empty')),
      );
    },
  };
}

async function probe(
  program: string,
  { context, args }: BuildRequest,
  { signal }: Signalled,
): Promise<Suitability> {
  const version = await askProgram(program, ['--version'], { signal });
  if (version?.status !== 0) {
    return {
      can: false,
      isAbsent: process.env.BUILDKIT_HOST === undefined,
      reason: 'buildctl is not installed',
      hint: 'install buildctl, or build with docker buildx',
    };
  }
  const workers = await askProgram(program, ['debug', 'workers'], { signal });
  if (workers?.status !== 0) {
    return {
      can: false,
      isAbsent: process.env.BUILDKIT_HOST === undefined,
      reason: 'no BuildKit daemon answers buildctl',
      hint: 'set BUILDKIT_HOST to a BuildKit daemon, or start buildkitd',
    };
  }
  if (context.kind === 'tar') {
    return { can: false, reason: 'buildctl takes no context from standard input' };
  }
  const hidden = args.find(({ isFromEnvironment }) => isFromEnvironment);
  if (hidden !== undefined) {
    return {
      can: false,
      reason: `buildctl would show the value of ${hidden.name} to everybody on this machine`,
      hint: 'write --build-arg NAME=VALUE if it may be seen, or use --secret',
    };
  }
  const found = /\bv?(\d+\.\d+\.\d+)/.exec(version.stdout)?.[1];
  return { can: true, ...(found === undefined ? {} : { version: found }) };
}

/**
 * @param dockerfile path of the file to build, undefined in a git context
 * @param emptyDir what takes the place of a context that there isn't
 */
function buildctlArguments(
  request: BuildRequest,
  dockerfile: string | undefined,
  emptyDir: string | undefined,
): readonly string[] {
  const { context, target, network, platforms } = request;
  const opts: Record<string, string | undefined> = {
    context: context.kind === 'git' ? context.url : undefined,
    filename: dockerfile === undefined ? request.dockerfileInContext : basename(dockerfile),
    target,
    platform: platforms.length === 0 ? undefined : platforms.map(formatPlatform).join(','),
    'force-network-mode': network === 'default' ? undefined : network,
    'no-cache': request.noCache ? '' : undefined,
    'image-resolve-mode': request.pull ? 'pull' : undefined,
    ...Object.fromEntries(request.args.map(({ name, value }) => [`build-arg:${name}`, value])),
  };
  const locals: Record<string, string | undefined> = {
    context:
      context.kind === 'folder' ? context.path : context.kind === 'empty' ? emptyDir : undefined,
    dockerfile: dockerfile === undefined ? undefined : dirname(dockerfile),
  };
  const pairs = (flag: string, values: Readonly<Record<string, string | undefined>>) =>
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [`--${flag}`, `${name}=${value}`],
    );
  const each = (flag: string, values: readonly string[]) =>
    values.flatMap((value) => [`--${flag}`, value]);
  return [
    'build',
    ...each('progress', ['plain']),
    ...each('frontend', ['dockerfile.v0']),
    ...pairs('local', locals),
    ...pairs('opt', opts),
    ...each('secret', request.secrets.map(secretWords)),
    ...each('ssh', request.ssh),
    ...each('import-cache', request.cacheFrom.map(typed)),
    ...each('export-cache', request.cacheTo.map(typed)),
    ...each('output', [exporterWords(request)]),
  ];
}

/** docker takes a bare reference for a cache in a registry. */
function typed(cache: string): string {
  return cache.includes('=') ? cache : listed({ type: 'registry', ref: cache });
}
