import { linesOf } from '../build/engines/lines.ts';
import { type Bytes, untilAborted } from '../bytes/stream.ts';
import type { Engine } from '../engine/client.ts';
import { type Container, type ContainerSpec, createContainer } from '../run/container.ts';
import { spokenIn } from '../run/frames.ts';

/** A container that runs, and whose lines are told. */
export interface Attached {
  readonly container: Container;
  /** Its exit status, when all that it said has been told. */
  ended(): Promise<number>;
  /** Nobody listens any more. */
  detach(): void;
}

export interface AttachOptions {
  say(line: string): void;
  readonly signal: AbortSignal;
  /** Does something with the container before it starts. */
  prepare?(id: string): Promise<void>;
}

/** Makes a container and tells its lines from its start. It stays until it is removed. */
export async function startAttached(
  engine: Engine,
  spec: ContainerSpec,
  { say, signal, prepare }: AttachOptions,
): Promise<Attached> {
  // Not given up half-way: a container that nobody knows of would stay.
  const container = await createContainer(engine, spec);
  try {
    signal.throwIfAborted();
    await prepare?.(container.id);
    const stream = await container.attach({ signal });
    const heard = (async () => {
      for await (const line of linesOf(wordsOf(untilAborted(stream, signal)))) say(line);
    })();
    // It is waited for below; something else may fail first.
    heard.catch(() => {});
    await container.start({ signal });
    return {
      container,
      async ended() {
        await heard;
        return await container.wait({ signal });
      },
      detach: () => void stream.destroy(),
    };
  } catch (error) {
    await container.remove().catch(() => {});
    throw error;
  }
}

async function* wordsOf(stream: Bytes): Bytes {
  for await (const { bytes } of spokenIn(stream)) yield bytes;
}
