import { type Archive, openArchive } from '../archive/archive.ts';
import type { Bytes } from '../bytes/stream.ts';
import type { Signalled } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import type { Engine } from './client.ts';
import { type EngineImage, findEngineImage } from './images.ts';

export interface ExportOptions extends Signalled {
  /** folder on whose disk the export is kept while it is used */
  readonly spoolDir?: string | undefined;
}

/**
 * Exports an image of an engine as a source: its root is `resolve('')`. It is read once, into a
 * nameless file, and is gone when it is closed. Engines with containerd's store give the image as
 * it came, with its digest; others give layers that aren't compressed.
 *
 * @throws SlipwayError `NOT_FOUND`, `NO_SPACE`, `NETWORK`, and what is wrong with what the engine
 * gives: `ARCHIVE_INVALID`, `CONTENT_MISSING` …
 */
export async function exportImage(
  engine: Engine,
  name: string,
  options: ExportOptions = {},
): Promise<Archive> {
  const image = await findEngineImage(engine, name, options);
  if (image === undefined) throw notInEngine(engine, name);
  return await exportFound(engine, image, options);
}

/** Exports an image that was found. */
export async function exportFound(
  engine: Engine,
  image: EngineImage,
  options: ExportOptions,
): Promise<Archive> {
  return await openArchive('-', {
    stdin: await exportBytes(engine, image, options),
    stdinName: `what ${engine.name} exports`,
    spoolDir: options.spoolDir,
    signal: options.signal,
  });
}

/** The export of an image. By its id: its name may stand for another one by now. */
export async function exportBytes(
  engine: Engine,
  { id }: EngineImage,
  { signal }: Signalled,
): Promise<Bytes> {
  const path = `/images/${encodeURIComponent(id)}/get`;
  const answer = await engine.send({ method: 'GET', path, what: 'export an image', signal });
  return answer.body;
}

/** The error for an image that an engine hasn't. */
export function notInEngine({ name: engine }: Engine, name: string): SlipwayError {
  return new SlipwayError('NOT_FOUND', `${engine} has no image ${JSON.stringify(name)}`, {
    side: 'source',
    hint: 'docker images (podman images) shows those it has',
  });
}
