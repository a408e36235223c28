import { TAR_END, tarHeader } from '../bytes/tar-write.ts';
import type { Signalled } from '../content/transport.ts';
import type { Engine } from '../engine/client.ts';

/** A file, or with a name that ends in a slash a folder, of a container. */
export interface InnerFile {
  /** from its root */
  readonly name: string;
  readonly mode: number;
  readonly content?: string;
}

const BLOCK_BYTES = 512;

/** Puts small files into a container, which needn't run yet. */
export async function putFiles(
  engine: Engine,
  id: string,
  files: readonly InnerFile[],
  { signal }: Signalled,
): Promise<void> {
  if (files.length === 0) return;
  const parts = files.flatMap(({ name, mode, content = '' }) => {
    const type = name.endsWith('/') ? 'directory' : 'file';
    const bytes = Buffer.from(content);
    const rest = Buffer.alloc(-bytes.byteLength & (BLOCK_BYTES - 1));
    return [tarHeader({ name, sizeBytes: bytes.byteLength, type, mode }), bytes, rest];
  });
  const body = Buffer.concat([...parts, TAR_END]);
  const path = `/containers/${id}/archive`;
  const what = 'prepare a container';
  const request = { method: 'PUT', path, query: { path: '/' }, body, what, signal } as const;
  await (await engine.send(request)).drop();
}
