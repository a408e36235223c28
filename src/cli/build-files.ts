import { openSink } from '../archive/sink.ts';
import { filesTar, type PlacedNode, withImageFiles } from '../build/image-files.ts';
import { writeFilesTo } from '../build/write-files.ts';
import type { Layout } from '../layout/layout.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { FilesOutput } from './build-outputs.ts';
import type { Context } from './context.ts';

/** Writes the files of an image where `--output` says. */
export async function writeFilesOutputs(
  context: Context,
  store: Layout,
  root: Descriptor,
  outputs: readonly FilesOutput[],
): Promise<void> {
  if (outputs.length === 0) return;
  const { signal, emit } = context;
  const spoolDir = await context.home();
  await withImageFiles(store, root, { spoolDir, emit, signal }, async (files) => {
    for (const { kind, path } of outputs) {
      if (kind === 'local') await writeFilesTo(path, files, { signal });
      else await writeTar(path, files, signal);
    }
  });
}

async function writeTar(
  path: string,
  files: readonly PlacedNode[],
  signal: AbortSignal,
): Promise<void> {
  const sink = await openSink(path === '-' ? process.stdout : path);
  try {
    for await (const chunk of filesTar(files)) {
      signal.throwIfAborted();
      await sink.write(chunk);
    }
    await sink.finish();
  } finally {
    await sink.abort();
  }
}
