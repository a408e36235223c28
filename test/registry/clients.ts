import { type Bytes, collect, fromMemory } from '../../src/bytes/stream.ts';
import type { Open } from '../../src/content/transport.ts';
import type { SlipwayEvent } from '../../src/events.ts';
import { type Descriptor, describe } from '../../src/oci/descriptor.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { createRegistries, type RegistriesOptions } from '../../src/registry/registries.ts';
import type { Repository } from '../../src/registry/repository.ts';
import { atEnd, type Owner } from '../rig/lifetime.ts';

/** Waits so short that a test can go through all of them. */
export const QUICK = { baseMs: 1, maxMs: 4 } as const;

export interface Client {
  readonly repository: Repository;
  readonly events: readonly SlipwayEvent[];
  /** Another repository of the same run. */
  open(name: string): Repository;
}

/** Opens `team/app` of a plain registry on loopback. */
export function connect(owner: Owner, host: string, options: RegistriesOptions = {}): Client {
  const events: SlipwayEvent[] = [];
  const registries = createRegistries({
    retry: QUICK,
    scheme: () => 'http',
    emit: (event) => events.push(event),
    ...options,
  });
  atEnd(owner, () => registries.close());
  const open = (name: string) => registries.repository(parseRepository(name));
  return { repository: open(`${host}/team/app`), events, open };
}

export interface Piece {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly open: Open;
}

/** A blob of `sizeBytes`, in chunks as a file gives them. */
export function blobOf(sizeBytes: number, fill = 'x'): Piece {
  const bytes = Buffer.alloc(sizeBytes, fill);
  const open = async function* (offset: number): Bytes {
    for (let at = offset; at < sizeBytes; at += 65_536) yield bytes.subarray(at, at + 65_536);
  };
  return { descriptor: describe(bytes, MEDIA_TYPE.ociLayer), bytes, open };
}

/** A manifest without layers. */
export function manifestOf(config = blobOf(2, '{}'), note = ''): Piece {
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: { ...config.descriptor, mediaType: MEDIA_TYPE.ociConfig },
    layers: [],
    ...(note === '' ? {} : { annotations: { note } }),
  };
  const bytes = Buffer.from(JSON.stringify(document));
  return {
    descriptor: describe(bytes, MEDIA_TYPE.ociManifest),
    bytes,
    open: (offset) => fromMemory(bytes, offset),
  };
}

/** Reads all of a blob. */
export async function readAll(bytes: Bytes): Promise<Buffer> {
  return await collect(bytes, 64 * 1024 * 1024, 'the test blob');
}
