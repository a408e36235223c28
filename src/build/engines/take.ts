import { openArchive } from '../../archive/archive.ts';
import type { Bytes } from '../../bytes/stream.ts';
import { copyGraph } from '../../content/copy.ts';
import { graphOf } from '../../content/graph.ts';
import type { Source } from '../../content/transport.ts';
import type { Engine } from '../../engine/client.ts';
import { exportImage } from '../../engine/source.ts';
import { openLayout } from '../../layout/layout.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { BuildOptions } from '../engine.ts';

/** Takes the one image of an archive that an engine prints into the store. */
export async function takeArchive(
  stdout: Bytes,
  engine: string,
  options: BuildOptions,
): Promise<Descriptor> {
  const { signal, spoolDir } = options;
  const archive = await openArchive('-', {
    stdin: stdout,
    stdinName: `what ${engine} built`,
    spoolDir,
    signal,
  });
  try {
    return await takeImage(archive, await archive.resolve('', { signal }), options);
  } finally {
    await archive.close();
  }
}

/** Takes the image of a layout that an engine has written into the store. */
export async function takeLayout(
  dir: string,
  name: string,
  options: BuildOptions,
): Promise<Descriptor> {
  const layout = await openLayout(dir);
  try {
    const root = await layout.resolve(name, { signal: options.signal });
    return await takeImage(layout, root, options);
  } finally {
    await layout.close();
  }
}

/** Takes an image of a running engine into the store. */
export async function takeFromEngine(
  engine: Engine,
  id: string,
  options: BuildOptions,
): Promise<Descriptor> {
  const { signal, spoolDir } = options;
  const archive = await exportImage(engine, id, { spoolDir, signal });
  try {
    return await takeImage(archive, await archive.resolve('', { signal }), options);
  } finally {
    await archive.close();
  }
}

/** Takes an image into the store, without a name. */
async function takeImage(
  source: Source,
  root: Descriptor,
  { store, signal, emit }: BuildOptions,
): Promise<Descriptor> {
  const graph = graphOf(source, root, 'what was built');
  const { root: taken } = await copyGraph(graph, store, { emit, signal, nonDistributable: true });
  return taken.descriptor;
}
