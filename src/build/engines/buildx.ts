import type { Signalled } from '../../content/transport.ts';
import { formatPlatform } from '../../oci/platform.ts';
import type { BuildEngine, BuildRequest, Suitability } from '../engine.ts';
import { epochEnvironment, exporterWords, secretWords } from './buildkit-words.ts';
import { askProgram, type ProgramCall, runProgram } from './program.ts';
import { withStandardInput } from './standard-input.ts';
import { takeArchive } from './take.ts';

/**
 * BuildKit through `docker buildx`: the builder that docker is set to, which may be a remote one
 * (https://docs.docker.com/reference/cli/docker/buildx/build/).
 */
export function buildxEngine(program = 'docker'): BuildEngine {
  return {
    name: 'buildx',
    probe: (_request, options = {}) => probe(program, options),
    async build(request, options) {
      return await withStandardInput(request, options, async (stdin) => {
        const call: ProgramCall = {
          engine: 'buildx',
          program,
          args: buildxArguments(request),
          env: epochEnvironment(request),
          stdin,
          emit: options.emit,
          signal: options.signal,
        };
        return await runProgram(call, (stdout) => takeArchive(stdout, 'buildx', options));
      });
    },
  };
}

async function probe(program: string, { signal }: Signalled): Promise<Suitability> {
  const version = await askProgram(program, ['buildx', 'version'], { signal });
  if (version?.status !== 0) {
    return {
      can: false,
      isAbsent: true,
      reason: 'docker buildx is not installed',
      hint: 'install docker and its buildx plugin',
    };
  }
  const builder = await askProgram(program, ['buildx', 'inspect'], { signal });
  const told = `${builder?.stdout ?? ''}\n${builder?.stderr ?? ''}`;
  const problem = /^(?:Error|ERROR): *(.+)$/m.exec(told)?.[1];
  if (builder?.status !== 0 || problem !== undefined) {
    return {
      can: false,
      isAbsent: process.env.DOCKER_HOST === undefined && process.env.BUILDX_BUILDER === undefined,
      reason: `its builder doesn't answer${problem === undefined ? '' : ` (${problem})`}`,
      hint: 'start the docker engine, or choose a builder: docker buildx ls shows those there are',
    };
  }
  if (/^Driver: +docker$/m.test(told) && !(await canExport(program, { signal }))) {
    return {
      can: false,
      reason: "docker's classic image store can't export what buildx builds",
      hint: 'make a builder with docker buildx create --use, or turn on the containerd image store',
    };
  }
  const found = /\bv?(\d+\.\d+\.\d+)/.exec(version.stdout)?.[1];
  return { can: true, ...(found === undefined ? {} : { version: found }) };
}

/** The builder inside of docker writes archives only where images are kept in containerd's store. */
async function canExport(program: string, { signal }: Signalled): Promise<boolean> {
  const format = ['info', '--format', '{{json .DriverStatus}}'];
  const info = await askProgram(program, format, { signal });
  return info?.stdout.includes('io.containerd.snapshotter') === true;
}

/** What follows `docker`: everything that can be is one word with its value. */
function buildxArguments(request: BuildRequest): readonly string[] {
  const { context, dockerfile, network, target } = request;
  const each = (name: string, values: readonly string[]) =>
    values.map((value) => `--${name}=${value}`);
  return [
    'buildx',
    'build',
    '--progress=plain',
    // An attestation of when and how it was built would give every build another digest.
    '--provenance=false',
    `--output=${exporterWords(request)}`,
    ...each('platform', request.platforms.length === 0 ? [] : [platformList(request)]),
    ...each(
      'build-arg',
      request.args.map(({ name, value, isFromEnvironment }) =>
        isFromEnvironment ? name : `${name}=${value}`,
      ),
    ),
    ...each('target', target === undefined ? [] : [target]),
    ...each('network', network === undefined ? [] : [network]),
    ...each('secret', request.secrets.map(secretWords)),
    ...each('ssh', request.ssh),
    ...each('cache-from', request.cacheFrom),
    ...each('cache-to', request.cacheTo),
    ...(request.noCache ? ['--no-cache'] : []),
    ...(request.pull ? ['--pull'] : []),
    ...each('file', fileArgument(request)),
    '--',
    context.kind === 'folder' ? context.path : context.kind === 'git' ? context.url : '-',
  ];

  function fileArgument({ dockerfileInContext }: BuildRequest): readonly string[] {
    if (context.kind === 'empty') return [];
    if (context.kind !== 'folder') {
      return dockerfileInContext === undefined ? [] : [dockerfileInContext];
    }
    return [dockerfile?.path ?? '-'];
  }
}

function platformList({ platforms }: BuildRequest): string {
  return platforms.map(formatPlatform).join(',');
}
