import { PassThrough } from 'node:stream';
import type { Command } from 'commander';
import type { Signalled } from '../content/transport.ts';
import type { Engine } from '../engine/client.ts';
import { SlipwayError, systemCode } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { Container, ContainerSpec } from '../run/container.ts';
import type { Spoken } from '../run/frames.ts';
import { type RunStreams, runContainer } from '../run/run.ts';
import { environment, volumes } from './run-flags.ts';

/** Options of commands that run something in a container, as commander gives them. */
export interface ContainerFlags {
  readonly env?: readonly string[];
  readonly envFile?: readonly string[];
  readonly volume?: readonly string[];
  readonly workdir?: string;
  readonly user?: string;
  readonly entrypoint?: string;
  readonly network?: string;
  readonly interactive?: boolean;
  readonly tty?: boolean;
}

/** Adds the options that say how a container is run. */
export function addContainerFlags(command: Command): Command {
  return command
    .option('-e, --env <NAME[=VALUE]>', 'a variable; without a value it is ours', collect)
    .option('--env-file <FILE>', 'variables, one a line', collect)
    .option('-v, --volume <SOURCE:PATH[:ro]>', 'a folder or volume to be seen at PATH', collect)
    .option('-w, --workdir <PATH>', 'the working directory')
    .option('-u, --user <USER[:GROUP]>', 'who runs it')
    .option('--entrypoint <PROGRAM>', "instead of the image's own; empty for none")
    .option('--network <NETWORK>', 'none, host, or the name of a network')
    .option('-i, --interactive', 'the command reads our standard input')
    .option('-t, --tty', 'the command gets a terminal')
    .option('--rm', 'accepted for docker users; the container is always removed');
}

/**
 * What the options say about a container.
 *
 * @throws SlipwayError `USAGE` also where a terminal is asked for and there is none
 */
export async function containerSpec(
  image: string,
  command: readonly string[],
  flags: ContainerFlags,
): Promise<ContainerSpec> {
  checkTerminal(flags);
  return {
    image,
    env: await environment(flags.env ?? [], flags.envFile ?? []),
    volumes: volumes(flags.volume ?? []),
    tty: flags.tty === true,
    ...(command.length === 0 ? {} : { command }),
    ...(flags.entrypoint === undefined ? {} : { entrypoint: [flags.entrypoint] }),
    ...(flags.workdir === undefined ? {} : { workingDir: flags.workdir }),
    ...(flags.user === undefined ? {} : { user: flags.user }),
    ...(flags.network === undefined ? {} : { network: flags.network }),
  };
}

/** @throws SlipwayError `USAGE` where a terminal is asked for and there is none */
export function checkTerminal({ tty, interactive }: ContainerFlags): void {
  if (tty === true && interactive === true && process.stdin.isTTY !== true) {
    throw new SlipwayError('USAGE', 'the input device is not a TTY', { hint: 'leave -t out' });
  }
}

/**
 * Runs a container to its end with our own input and output, and gives its status; undefined if
 * nobody reads any more what it says.
 */
export async function runHere(
  engine: Engine,
  spec: ContainerSpec,
  {
    isInteractive,
    emit,
    signal,
    prepare,
  }: Signalled &
    Pick<RunStreams, 'prepare'> & { readonly isInteractive: boolean; readonly emit: Emit },
): Promise<number | undefined> {
  const giveBackOutput = keepOutput();
  const terminal = spec.tty === true ? takeTerminal(isInteractive) : undefined;
  // What comes after the command may want to read, too: our own input isn't used up.
  const input = isInteractive ? process.stdin.pipe(new PassThrough()) : undefined;
  try {
    return await runContainer(
      engine,
      spec,
      {
        say,
        ...(input === undefined ? {} : { stdin: input }),
        ...(prepare === undefined ? {} : { prepare }),
        onStart(container) {
          for (const message of container.warnings) emit({ type: 'warning', message });
          terminal?.follow(container);
        },
      },
      { signal },
    );
  } catch (error) {
    // Nobody reads what it says any more: it has been stopped, and that is all.
    if (systemCode(error) === 'EPIPE') return undefined;
    throw error;
  } finally {
    terminal?.giveBack();
    giveBackOutput();
    if (input !== undefined) {
      process.stdin.unpipe(input).pause();
      input.destroy();
    }
  }
}

/** @throws SlipwayError `COMMAND_FAILED` unless it is 0 */
export function checkStatus(status: number | undefined): void {
  if (status === undefined || status === 0) return;
  throw new SlipwayError('COMMAND_FAILED', `the command ended with status ${status}`, {
    ...(status === 137 ? { hint: 'it was killed, maybe for taking too much memory' } : {}),
  });
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
