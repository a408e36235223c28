import { linesOf } from '../build/engines/lines.ts';
import { storeLayer } from '../build/store-layer.ts';
import { untilAborted } from '../bytes/stream.ts';
import { graphOf } from '../content/graph.ts';
import type { Engine } from '../engine/client.ts';
import { exportImage } from '../engine/source.ts';
import { isSlipwayError, SlipwayError } from '../errors.ts';
import type { Emit } from '../events.ts';
import type { Layout } from '../layout/layout.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { isDigest } from '../oci/digest.ts';
import { isJsonObject } from '../oci/json.ts';
import { compressionOf } from '../oci/mediatype.ts';
import { bringImage } from '../run/bring.ts';
import { type Container, createContainer } from '../run/container.ts';
import { spokenIn } from '../run/frames.ts';
import { shellSpec } from './introspect.ts';
import type { Introspection } from './introspection.ts';
import { readImage, withLayer } from './stage-image.ts';

/** Commands of a stage, and where they run. */
export interface StageCommands {
  readonly engine: Engine;
  readonly store: Layout;
  /** the image below */
  readonly root: Descriptor;
  readonly commands: readonly string[];
  /** `FOLDER:PATH` */
  readonly volumes: readonly string[];
  readonly network?: string | undefined;
  readonly spoolDir: string;
  /** for people */
  readonly name: string;
  /** of its containers */
  readonly labels: Readonly<Record<string, string>>;
  /** who wants to look into a container whose commands failed */
  readonly introspection?: Introspection | undefined;
  readonly emit: Emit;
  readonly signal: AbortSignal | undefined;
}

/** bash where the image has it: that is what commands were always written for. */
const SHELL = 'if [ -x /bin/bash ]; then exec /bin/bash -ec "$1"; fi; exec /bin/sh -ec "$1"';
const GRACE_SECONDS = 2;
const LAST_LINES = 20;
const ATTEMPTS = 3;

/**
 * Runs commands in an image of the store, and gives the image with what they changed. The container
 * and what the engine made of it are removed.
 *
 * @throws SlipwayError `COMMAND_FAILED` with the last lines that they printed, `NETWORK` …
 */
export async function runStage(stage: StageCommands): Promise<Descriptor> {
  const { signal } = stage;
  const { container, image } = await makeContainer(stage);
  try {
    await runToEnd(container, stage);
    return await takeChanges(container, stage);
  } catch (error) {
    if (signal?.aborted) await container.stop(GRACE_SECONDS).catch(() => {});
    else if (isSlipwayError(error, 'COMMAND_FAILED')) await introspect(container, image, stage);
    throw error;
  } finally {
    await container.remove().catch(() => {});
  }
}

/** It has no name there: whoever clears an engine up may take the image before it is used. */
async function makeContainer(
  stage: StageCommands,
): Promise<{ readonly container: Container; readonly image: string }> {
  const { engine, store, root, commands, volumes, network, labels, emit, signal } = stage;
  for (let attempt = 1; ; attempt++) {
    const image = await bringImage(engine, graphOf(store, root, stage.name), { emit, signal });
    try {
      const container = await createContainer(engine, {
        image,
        entrypoint: ['/bin/sh', '-c', SHELL, 'slipway'],
        command: [commands.join('\n')],
        workingDir: '/',
        user: '0:0',
        volumes,
        labels,
        ...(network === undefined ? {} : { network }),
      });
      return { container, image };
    } catch (error) {
      if (!isSlipwayError(error, 'NOT_FOUND') || attempt === ATTEMPTS) throw error;
    }
  }
}

async function runToEnd(
  container: Container,
  { engine, name, emit, signal }: StageCommands,
): Promise<void> {
  signal?.throwIfAborted();
  const last: string[] = [];
  const stream = await container.attach({ signal });
  try {
    await container.start({ signal });
    const said = async function* () {
      for await (const { bytes } of spokenIn(untilAborted(stream, signal))) yield bytes;
    };
    for await (const line of linesOf(said())) {
      last.push(line);
      if (last.length > LAST_LINES) last.shift();
      emit({ type: 'build.output', engine: engine.product, line });
    }
    const status = await container.wait({ signal });
    if (status === 0) return;
    throw new SlipwayError(
      'COMMAND_FAILED',
      `${name} failed: a command ended with status ${status}`,
      {
        hint: last.length === 0 ? 'it printed nothing' : `it printed: ${last.join(' ⏎ ')}`,
      },
    );
  } finally {
    stream.destroy();
  }
}

/** Lets a person look at what failed, and at what it began with, if they want to. */
async function introspect(
  container: Container,
  image: string,
  stage: StageCommands,
): Promise<void> {
  const { engine, introspection, name, signal } = stage;
  const { onError = false, beforeError = false, open = async () => {} } = introspection ?? {};
  if (onError) {
    const id = await commit(engine, container, signal);
    try {
      await open(`${name}, after it failed`, shellSpec(id, stage));
    } finally {
      await removeImage(engine, id);
    }
  }
  if (beforeError) await open(`${name}, before it failed`, shellSpec(image, stage));
}

/** Takes what a container changed as a layer. What lies below is in the store already. */
async function takeChanges(container: Container, stage: StageCommands): Promise<Descriptor> {
  const { engine, store, root, spoolDir, commands, signal } = stage;
  const id = await commit(engine, container, signal);
  try {
    const archive = await exportImage(engine, id, { spoolDir, signal });
    try {
      const made = await readImage(archive, await archive.resolve('', { signal }), { signal });
      const { config } = await readImage(store, root, { signal });
      const isAbove = config.diffIds.every((diffId, at) => diffId === made.config.diffIds[at]);
      const count = made.config.diffIds.length - config.diffIds.length;
      if (!isAbove || count > 1) {
        throw new SlipwayError('UNSUPPORTED', `${engine.name} changed the layers of ${stage.name}`);
      }
      const layer = made.manifest.layers.at(-1);
      const diffId = made.config.diffIds.at(-1);
      // Some engines make no layer where nothing changed.
      if (count === 0 || layer === undefined || diffId === undefined) return root;
      const open = (offset = 0) => archive.fetch(layer, { offset, signal });
      const isPlain = compressionOf(layer.mediaType) === 'none';
      const settings = { format: 'gzip' } as const;
      if (!isPlain) await store.push(layer, open, { signal });
      const descriptor = isPlain
        ? (await storeLayer(store, () => open(), { settings, signal })).descriptor
        : layer;
      const createdBy = `/bin/sh -ec ${commands.join('; ')}`.slice(0, 1000);
      return await withLayer(store, root, { descriptor, diffId, createdBy }, { signal });
    } finally {
      await archive.close();
    }
  } finally {
    await removeImage(engine, id);
  }
}

async function commit(
  engine: Engine,
  container: Container,
  signal: AbortSignal | undefined,
): Promise<string> {
  const answer = await engine.json({
    method: 'POST',
    path: '/commit',
    query: { container: container.id, pause: 0 },
    body: {},
    what: 'keep what a container changed',
    signal,
  });
  const id = isJsonObject(answer) ? answer.Id : undefined;
  const digest = typeof id === 'string' && /^[0-9a-f]{64}$/.test(id) ? `sha256:${id}` : id;
  if (isDigest(digest)) return digest;
  throw new SlipwayError('SERVER_ERROR', `${engine.name} kept a container without an id`);
}

async function removeImage(engine: Engine, id: string): Promise<void> {
  const path = `/images/${encodeURIComponent(id)}`;
  const what = 'remove an image';
  // It is the engine's copy of what is in the store.
  await engine
    .send({ method: 'DELETE', path, what })
    .then((answer) => answer.drop())
    .catch(() => {});
}
