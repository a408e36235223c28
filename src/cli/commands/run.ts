import type { Command } from 'commander';
import { Option } from 'commander';
import type { Engine } from '../../engine/client.ts';
import { findEngineImage } from '../../engine/images.ts';
import { isSlipwayError, SlipwayError, systemCode } from '../../errors.ts';
import { parsePlatform } from '../../oci/platform.ts';
import { familiarReference } from '../../oci/reference.ts';
import { bringImage } from '../../run/bring.ts';
import type { Container, ContainerSpec } from '../../run/container.ts';
import type { Spoken } from '../../run/frames.ts';
import { runContainer } from '../../run/run.ts';
import { type Cli, newCommand, run } from '../command.ts';
import type { Context, RegistryFlags } from '../context.ts';
import { addRegistryFlags } from '../flags.ts';
import { type Location, parseLocation } from '../location.ts';
import { openImage, openStored } from '../open.ts';
import { environment, volumes } from '../run-flags.ts';

interface RunFlags extends RegistryFlags {
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly volume?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly entrypoint?: string;
  readonly network?: string;
  readonly name?: string;
  readonly platform?: string;
  readonly pull?: 'missing' | 'never' | 'always';
  readonly interactive?: boolean;
  readonly tty?: boolean;
}

/** `slipway run IMAGE [CMD…]` */
export function command(cli: Cli): Command {
  const command = newCommand('run', 'run a command of an image through a running engine')
    .usage('[options] IMAGE [COMMAND] [ARG...]')
    .argument('<IMAGE>', 'a local image, one of the engine, or any other image location')
    .argument('[COMMAND...]', "instead of the image's own")
    .passThroughOptions()
    .option('-e, --env <NAME[=VALUE]>', 'a variable; without a value it is ours', collect)
    .option('--env-file <FILE>', 'variables, one a line', collect)
    .option('-v, --volume <SOURCE:PATH[:ro]>', 'a folder or volume to be seen at PATH', collect)
    .option('-w, --workdir <PATH>', 'the working directory')
    .option('-u, --user <USER[:GROUP]>', 'who runs it')
    .option('--entrypoint <PROGRAM>', "instead of the image's own; empty for none")
    .option('--network <NETWORK>', 'none, host, or the name of a network')
    .option('--name <NAME>', 'name of the container')
    .option('--platform <PLATFORM>', 'which image of an index')
    .addOption(
      new Option('--pull <WHEN>', 'get the image from its registry')
        .choices(['missing', 'never', 'always'])
        .default('missing'),
    )
    .option('-i, --interactive', 'the command reads our standard input')
    .option('-t, --tty', 'the command gets a terminal')
    .option('--rm', 'accepted for docker users; the container is always removed');
  return addRegistryFlags(command).action(
    async (image: string, words: string[], flags: RunFlags) => {
      const location = parseLocation(image);
      const host = 'reference' in location ? [location.reference.host] : [];
      await run(cli, flags, host, (context) => runImage(context, location, words, flags));
    },
  );
}

async function runImage(
  context: Context,
  location: Location,
  command: readonly string[],
  flags: RunFlags,
): Promise<void> {
  const { signal, emit } = context;
  if (flags.tty === true && flags.interactive === true && process.stdin.isTTY !== true) {
    throw new SlipwayError('USAGE', 'the input device is not a TTY', { hint: 'leave -t out' });
  }
  const env = await environment(flags.env ?? [], flags.envFile ?? []);
  const engine = await context.engine();
  const image = await findOrBring(context, engine, location, flags);
  const spec: ContainerSpec = {
    image,
    env,
    volumes: volumes(flags.volume ?? []),
    tty: flags.tty === true,
    ...(command.length === 0 ? {} : { command }),
    ...(flags.entrypoint === undefined ? {} : { entrypoint: [flags.entrypoint] }),
    ...(flags.workdir === undefined ? {} : { workingDir: flags.workdir }),
    ...(flags.user === undefined ? {} : { user: flags.user }),
    ...(flags.network === undefined ? {} : { network: flags.network }),
    ...(flags.name === undefined ? {} : { name: flags.name }),
    ...(flags.platform === undefined ? {} : { platform: parsePlatform(flags.platform) }),
  };
  const giveBackOutput = keepOutput();
  const terminal = flags.tty === true ? takeTerminal(flags.interactive === true) : undefined;
  let status: number;
  try {
    status = await runContainer(
      engine,
      spec,
      {
        say,
        ...(flags.interactive === true ? { stdin: process.stdin } : {}),
        onStart(container) {
          for (const message of container.warnings) emit({ type: 'warning', message });
          terminal?.follow(container);
        },
      },
      { signal },
    );
  } catch (error) {
    // Nobody reads what it says any more: it has been stopped, and that is all.
    if (systemCode(error) === 'EPIPE') return;
    throw error;
  } finally {
    terminal?.giveBack();
    giveBackOutput();
  }
  if (status !== 0) {
    throw new SlipwayError('COMMAND_FAILED', `the command ended with status ${status}`, {
      ...(status === 137 ? { hint: 'it was killed, maybe for taking too much memory' } : {}),
    });
  }
}

/** The id of the image in the engine; what isn't there is taken there, from its registry at last. */
async function findOrBring(
  context: Context,
  engine: Engine,
  location: Location,
  flags: RunFlags,
): Promise<string> {
  const { signal, emit } = context;
  const platform = flags.platform === undefined ? undefined : parsePlatform(flags.platform);
  const bring = async (from: Location, name?: string): Promise<string> =>
    bringImage(engine, await openImage(context, from), { name, platform, emit, signal });
  if (location.transport === 'docker-daemon') {
    const { name } = location;
    const found = await findEngineImage(engine, name, { signal });
    if (found !== undefined) return found.id;
    throw new SlipwayError('NOT_FOUND', `${engine.name} has no image ${JSON.stringify(name)}`);
  }
  if (location.transport !== 'store') return await bring(location);
  const { reference } = location;
  const name = reference.digest === undefined ? familiarReference(reference) : undefined;
  if (flags.pull !== 'always') {
    try {
      const graph = await openStored(context, reference);
      return await bringImage(engine, graph, { name, platform, emit, signal });
    } catch (error) {
      if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
      const found = await findEngineImage(engine, familiarReference(reference), { signal });
      if (found !== undefined) return found.id;
      if (flags.pull === 'never') throw error;
    }
  }
  return await bring({ transport: 'docker', reference }, name);
}

/** A reader that closes the pipe would end the program at once, and the container would stay. */
function keepOutput(): () => void {
  const before = process.stdout.listeners('error') as ((error: Error) => void)[];
  const ignore = (): void => {};
  process.stdout.on('error', ignore);
  for (const listener of before) process.stdout.off('error', listener);
  return () => {
    for (const listener of before) process.stdout.on('error', listener);
    process.stdout.off('error', ignore);
  };
}

/** What a command says is its own business: it goes out as it is, as fast as it is taken. */
function say({ stream, bytes }: Spoken): Promise<void> {
  const to = process[stream];
  return new Promise((resolve, reject) => {
    to.write(bytes, (error) => (error == null ? resolve() : reject(error)));
  });
}

interface Terminal {
  /** Lets the container's terminal have the size of ours. */
  follow(container: Container): void;
  giveBack(): void;
}

function takeTerminal(isInteractive: boolean): Terminal {
  const { stdin, stdout } = process;
  const isRaw = isInteractive && stdin.isTTY === true;
  if (isRaw) stdin.setRawMode(true);
  let resize = (): void => {};
  return {
    follow(container) {
      resize = () => {
        if (stdout.isTTY === true) container.resize(stdout.columns, stdout.rows).catch(() => {});
      };
      stdout.on('resize', resize);
      resize();
    },
    giveBack() {
      stdout.off('resize', resize);
      if (isRaw) stdin.setRawMode(false);
    },
  };
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
