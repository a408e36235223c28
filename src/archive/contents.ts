import { type Bytes, fromMemory } from '../bytes/stream.ts';
import type { TarFile } from '../bytes/tar-index.ts';
import type { FetchOptions } from '../content/transport.ts';
import { SlipwayError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, digestAlgorithm, digestHex } from '../oci/digest.ts';
import type { ArchiveFiles } from './files.ts';

/** Everything that an archive can give by digest. */
export interface Contents {
  /** Lets a digest stand for a file; what stood for it before stays, and its size is told. */
  addFile(descriptor: Descriptor, file: TarFile): Descriptor;
  /** Lets a digest stand for bytes that were made here. */
  addBytes(descriptor: Descriptor, bytes: Uint8Array): Descriptor;
  /** The size of what is there, or undefined. */
  sizeOf(digest: Digest): number | undefined;
  fetch(descriptor: Descriptor, options?: FetchOptions): Bytes;
  /** Does costly work once for a key; after a failure it may be tried again. */
  once<T>(key: string, work: () => Promise<T>): Promise<T>;
}

/** The contents of an archive: what was added, and the blobs of an OCI layout. */
export function createContents(files: ArchiveFiles): Contents {
  const added = new Map<Digest, TarFile | Uint8Array>();
  const done = new Map<string, Promise<unknown>>();
  const find = (digest: Digest): TarFile | Uint8Array | undefined =>
    added.get(digest) ?? files.find(`blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`);
  const sizeOf = (digest: Digest): number | undefined => {
    const found = find(digest);
    return found instanceof Uint8Array ? found.byteLength : found?.sizeBytes;
  };
  const add = (descriptor: Descriptor, content: TarFile | Uint8Array): Descriptor => {
    if (!added.has(descriptor.digest)) added.set(descriptor.digest, content);
    return { ...descriptor, size: sizeOf(descriptor.digest) ?? descriptor.size };
  };
  return {
    addFile: add,
    addBytes: add,
    sizeOf,
    async *fetch(descriptor, options = {}) {
      const found = find(descriptor.digest);
      if (found === undefined) throw notInArchive(descriptor.digest, files.name);
      if (found instanceof Uint8Array) yield* fromMemory(found, options.offset);
      else yield* files.read(found, options);
    },
    async once<T>(key: string, work: () => Promise<T>): Promise<T> {
      let promise = done.get(key) as Promise<T> | undefined;
      if (promise === undefined) {
        promise = work();
        done.set(key, promise);
        promise.catch(() => done.delete(key));
      }
      return promise;
    },
  };
}

/** The error for content that an archive doesn't hold. */
export function notInArchive(digest: string, name: string): SlipwayError {
  return new SlipwayError('NOT_FOUND', `${name} holds no ${digest}`, {
    side: 'source',
    path: name,
    digest,
  });
}
