import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { printable } from '../../bytes/printable.ts';
import type { Signalled } from '../../content/transport.ts';
import { connectEngine } from '../../engine/client.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { formatPlatform } from '../../oci/platform.ts';
import type { BuildEngine, BuildOptions, BuildRequest, Suitability } from '../engine.ts';
import { argumentEnvironment } from './argument-environment.ts';
import { epochEnvironment, exporterWords, secretWords } from './buildkit-words.ts';
import { askProgram, type ProgramCall, runProgram, tellOutput } from './program.ts';
import { withStandardInput } from './standard-input.ts';
import { takeArchive, takeFromEngine } from './take.ts';
import { withTemporaryFolder } from './temporary.ts';

/**
 * BuildKit through `docker buildx`: the builder that docker is set to, which may be a remote one
 * (https://docs.docker.com/reference/cli/docker/buildx/build/).
 */
export function buildxEngine(program = 'docker'): BuildEngine {
  return {
    name: 'buildx',
    probe: (request, options = {}) => probe(program, request, options),
    async build(request, options) {
      const { emit, signal } = options;
      const builder = await askBuilder(program, { signal });
      return await withStandardInput(request, options, async (stdin) => {
        const env = { ...argumentEnvironment(request), ...epochEnvironment(request) };
        const call = { engine: 'buildx', program, env, stdin, emit, signal };
        if (await canExport(program, builder, { signal })) {
          const args = buildxArguments(request, [`--output=${exporterWords(request)}`]);
          return await runProgram({ ...call, args }, (stdout) =>
            takeArchive(stdout, 'buildx', options),
          );
        }
        return await loadAndTake(call, request, options);
      });
    },
  };
}

/** The way through docker's classic image store, which is the only one that its own builder has. */
async function loadAndTake(
  call: Omit<ProgramCall, 'args'>,
  request: BuildRequest,
  options: BuildOptions,
): Promise<Descriptor> {
  const { signal, spoolDir } = options;
  const id = await withTemporaryFolder(spoolDir, async (folder) => {
    const idFile = join(folder, 'id');
    const args = buildxArguments(request, ['--load', `--iidfile=${idFile}`]);
    await runProgram({ ...call, args }, (stdout) => tellOutput(stdout, call));
    return (await readFile(idFile, 'utf8')).trim();
  });
  const engine = await connectEngine({ only: 'docker', signal });
  try {
    return await takeFromEngine(engine, id, options);
  } finally {
    await engine.close();
  }
}

async function probe(
  program: string,
  request: BuildRequest,
  { signal }: Signalled,
): Promise<Suitability> {
  const version = await askProgram(program, ['buildx', 'version'], { signal });
  if (version?.status !== 0) {
    return {
      can: false,
      isAbsent: true,
      reason: 'docker buildx is not installed',
      hint: 'install docker and its buildx plugin',
    };
  }
  const builder = await askBuilder(program, { signal });
  if (builder.problem !== undefined) {
    return {
      can: false,
      isAbsent: process.env.DOCKER_HOST === undefined && process.env.BUILDX_BUILDER === undefined,
      reason: `its builder doesn't answer${builder.problem === '' ? '' : ` (${builder.problem})`}`,
      hint: 'start the docker engine, or choose a builder: docker buildx ls shows those there are',
    };
  }
  if (request.platforms.length > 1 && !(await canExport(program, builder, { signal }))) {
    return {
      can: false,
      reason: "docker's classic image store holds one platform of an image only",
      hint: 'make a builder with docker buildx create --use, or turn on the containerd image store',
    };
  }
  const found = /\bv?(\d+\.\d+\.\d+)/.exec(version.stdout)?.[1];
  return { can: true, ...(found === undefined ? {} : { version: found }) };
}

interface Builder {
  /** `docker`: the one inside of the engine */
  readonly driver: string;
  /** why it can't be used */
  readonly problem?: string;
}

async function askBuilder(program: string, { signal }: Signalled): Promise<Builder> {
  const answer = await askProgram(program, ['buildx', 'inspect'], { signal });
  const told = `${answer?.stdout ?? ''}\n${answer?.stderr ?? ''}`;
  const driver = /^Driver: +(\S+)/m.exec(told)?.[1] ?? '';
  const problem = /^(?:Error|ERROR): *(.+)$/m.exec(told)?.[1];
  if (answer?.status === 0 && problem === undefined) return { driver };
  return { driver, problem: printable(problem ?? '') };
}

/** The builder inside of docker writes archives only where images are kept in containerd's store. */
async function canExport(
  program: string,
  { driver }: Builder,
  { signal }: Signalled,
): Promise<boolean> {
  if (driver !== 'docker') return true;
  const format = ['info', '--format', '{{json .DriverStatus}}'];
  const info = await askProgram(program, format, { signal });
  return info?.stdout.includes('io.containerd.snapshotter') === true;
}

/** What follows `docker`: everything that can be is one word with its value. */
function buildxArguments(request: BuildRequest, output: readonly string[]): readonly string[] {
  const { context, dockerfile, network, target } = request;
  const each = (name: string, values: readonly string[]) =>
    values.map((value) => `--${name}=${value}`);
  return [
    'buildx',
    'build',
    '--progress=plain',
    // An attestation of when and how it was built would give every build another digest.
    '--provenance=false',
    ...output,
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
