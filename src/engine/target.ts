import { PassThrough } from 'node:stream';
import { type ArchiveTarget, createArchive } from '../archive/write.ts';
import type { Signalled } from '../content/transport.ts';
import { isSlipwayError } from '../errors.ts';
import { isJsonObject } from '../oci/json.ts';
import { compressionOf } from '../oci/mediatype.ts';
import type { Engine } from './client.ts';
import { refusal } from './errors.ts';

const MAX_ANSWER_BYTES = 1024 * 1024;

/**
 * True if an engine keeps images as they come, with all platforms and their digests: newer Dockers
 * with containerd's store. Others take images apart and keep one platform.
 */
export async function keepsWholeImages(
  engine: Engine,
  { signal }: Signalled = {},
): Promise<boolean> {
  if (engine.product === 'podman') return false;
  const info = await engine.json({ method: 'GET', path: '/info', what: 'describe itself', signal });
  const status = isJsonObject(info) && Array.isArray(info.DriverStatus) ? info.DriverStatus : [];
  return status.some(
    (pair) => Array.isArray(pair) && String(pair[1]).startsWith('io.containerd.snapshotter'),
  );
}

/**
 * Starts to load images into an engine: what is pushed goes straight there, and the engine takes it
 * over when it is finished. Names are references. What is given up before leaves nothing behind.
 *
 * @throws SlipwayError from its methods: what the engine says (`UNSUPPORTED`, `NO_SPACE`,
 * `NETWORK` …), and what an archive of kind `docker` can't hold
 */
export async function createEngineTarget(
  engine: Engine,
  { signal, isWhole }: Signalled & { readonly isWhole: boolean },
): Promise<ArchiveTarget> {
  const stream = new PassThrough();
  const archive = await createArchive(stream, { kind: isWhole ? 'both' : 'docker', signal });
  let loading: Promise<void> | undefined;
  let hasZstd = false;
  let failure: { readonly error: unknown } | undefined;
  const begin = (): void => {
    if (loading !== undefined) return;
    loading = load(engine, stream, signal);
    loading.catch((error: unknown) => {
      failure = { error: hasZstd ? hinted(error) : error };
      stream.destroy();
    });
  };
  /** What the engine said goes before what became of the stream to it. */
  const watched = async <T>(work: () => Promise<T>): Promise<T> => {
    begin();
    try {
      return await work();
    } catch (error) {
      // It was the reader that went away: why is about to be known.
      if (stream.destroyed) await loading?.catch(() => {});
      throw failure?.error ?? error;
    }
  };
  return {
    ...archive,
    name: engine.name,
    push(descriptor, open, options) {
      if (compressionOf(descriptor.mediaType) === 'zstd') hasZstd = true;
      return watched(() => archive.push(descriptor, open, options));
    },
    tag: (descriptor, name, open, options) =>
      watched(() => archive.tag(descriptor, name, open, options)),
    async finish() {
      await watched(() => archive.finish());
      stream.end();
      await loading?.catch((error: unknown) => {
        throw failure?.error ?? error;
      });
    },
    async abort() {
      await archive.abort();
      if (stream.writableEnded) return;
      stream.destroy(new Error('given up'));
      await loading?.catch(() => {});
    },
  };
}

async function load(
  engine: Engine,
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const what = 'load an image';
  const answer = await engine.send({
    method: 'POST',
    path: '/images/load',
    query: { quiet: 1 },
    body,
    what,
    signal,
  });
  const text = (await answer.read(MAX_ANSWER_BYTES)).toString();
  // One document a line; an error comes after a good status.
  for (const line of text.split('\n').filter((each) => each.trim() !== '')) {
    const said = parseLine(line);
    if (said?.error === undefined) continue;
    throw refusal(String(said.error), { name: engine.name, what });
  }
}

function parseLine(line: string): { readonly error?: unknown } | undefined {
  try {
    const json: unknown = JSON.parse(line);
    return isJsonObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** Old engines say that a tar header is wrong, or that something ended too early. */
function hinted(error: unknown): unknown {
  if (!isSlipwayError(error, 'UNSUPPORTED', 'SERVER_ERROR')) return error;
  return error.with({
    hint: 'the image has layers of zstd, which Docker unpacks since 23: this engine may need one with gzip',
  });
}
