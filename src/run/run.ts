import type { Duplex } from 'node:stream';
import { type Bytes, untilAborted } from '../bytes/stream.ts';
import type { Signalled } from '../content/transport.ts';
import type { Engine } from '../engine/client.ts';
import { type Container, type ContainerSpec, createContainer } from './container.ts';
import { type Spoken, spokenIn } from './frames.ts';

/** What a command reads, and who hears what it says. */
export interface RunStreams {
  /** what it reads; nothing if left out */
  readonly stdin?: Bytes;
  /** Takes what it says; the command waits where this does. With a terminal all is `stdout`. */
  say(spoken: Spoken): Promise<void> | void;
  /** Does something with the container before it starts. */
  prepare?(container: Container): Promise<void>;
  /** Called when it runs: the size of its terminal can be set from now on. */
  onStart?(container: Container): void;
}

/** How long a command may take to end when it is interrupted. */
const GRACE_SECONDS = 2;

/**
 * Runs a command in a container to its end, and gives its exit status. The container is removed
 * whatever comes of it, also when `signal` is aborted.
 *
 * @throws SlipwayError as {@link createContainer}; `COMMAND_FAILED` if it can't be started,
 * `NETWORK` if the engine goes away
 * @example
 * const status = await runContainer(engine, { image: 'alpine', command: ['true'] }, { say() {} });
 */
export async function runContainer(
  engine: Engine,
  spec: ContainerSpec,
  streams: RunStreams,
  { signal }: Signalled = {},
): Promise<number> {
  const hasInput = streams.stdin !== undefined;
  // Docker also removes it when we are killed. Podman can't be asked how such a one ended.
  const autoRemove = engine.product === 'docker';
  // Not given up half-way: a container that nobody knows of would stay.
  const container = await createContainer(engine, { ...spec, stdin: hasInput, autoRemove });
  try {
    const status = await runAttached(container, { ...spec, autoRemove }, streams, signal);
    await container.remove();
    return status;
  } catch (error) {
    if (signal?.aborted) await container.stop(GRACE_SECONDS).catch(() => {});
    // What went wrong first says more.
    await container.remove().catch(() => {});
    throw error;
  }
}

async function runAttached(
  container: Container,
  { tty = false, autoRemove = false }: ContainerSpec,
  streams: RunStreams,
  signal: AbortSignal | undefined,
): Promise<number> {
  signal?.throwIfAborted();
  await streams.prepare?.(container);
  const over = new AbortController();
  const signals = signal === undefined ? [over.signal] : [over.signal, signal];
  const until = AbortSignal.any(signals);
  const stream = await container.attach({ signal: until });
  try {
    const heard = hear(stream, tty, streams, signal);
    // It is waited for below; something else may fail first.
    heard.catch(() => {});
    const removed = autoRemove ? await container.watch({ signal: until }) : undefined;
    await container.start({ signal: until });
    streams.onStart?.(container);
    if (streams.stdin !== undefined) tell(stream, streams.stdin, over.signal);
    await heard;
    return await (removed === undefined ? container.wait({ signal: until }) : removed());
  } finally {
    over.abort();
    stream.destroy();
  }
}

async function hear(
  stream: Duplex,
  isTerminal: boolean,
  { say }: RunStreams,
  signal: AbortSignal | undefined,
): Promise<void> {
  const bytes = untilAborted(stream, signal);
  if (isTerminal) {
    for await (const chunk of bytes) await say({ stream: 'stdout', bytes: chunk });
    return;
  }
  for await (const spoken of spokenIn(bytes)) await say(spoken);
}

/** Hands input on until it ends or the command does. */
function tell(stream: Duplex, input: Bytes, ended: AbortSignal): void {
  const work = async () => {
    for await (const chunk of untilAborted(input, ended)) {
      if (!stream.write(chunk)) await drained(stream);
    }
    stream.end();
  };
  // A command that reads no further, or has ended, is no failure.
  work().catch(() => {});
}

function drained(stream: Duplex): Promise<void> {
  return new Promise((resolve) => {
    stream.once('drain', resolve);
    stream.once('close', resolve);
  });
}
