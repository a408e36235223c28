import { decompress, SNIFF_BYTES, sniffCompression } from '../bytes/inflate.ts';
import type { Bytes } from '../bytes/stream.ts';
import type { TarFile } from '../bytes/tar-index.ts';
import { shownName } from '../bytes/tar-name.ts';
import type { Signalled } from '../content/transport.ts';
import { digestMismatch } from '../content/verify.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, digestAlgorithm, startDigest } from '../oci/digest.ts';
import { MEDIA_TYPE } from '../oci/mediatype.ts';
import type { ArchiveFiles } from './files.ts';

/**
 * Describes a layer of a docker archive as it lies there. One that isn't compressed is taken by its
 * diffID, unread; a compressed one is hashed and unpacked once.
 *
 * @throws SlipwayError `DIGEST_MISMATCH` if a compressed layer isn't that of its diffID;
 * `ARCHIVE_INVALID`, `SIZE_MISMATCH`, `LIMIT_EXCEEDED` if it can't be unpacked
 */
export async function describeLayer(
  file: TarFile,
  diffId: Digest,
  files: ArchiveFiles,
  options: Signalled,
): Promise<Descriptor> {
  const format = sniffCompression(await headOf(file, files));
  if (format === 'none') {
    return { mediaType: MEDIA_TYPE.ociLayer, digest: diffId, size: file.sizeBytes };
  }
  const packed = startDigest();
  const raw = startDigest(digestAlgorithm(diffId));
  const hashed = async function* (): Bytes {
    for await (const chunk of files.read(file, options)) {
      packed.update(chunk);
      yield chunk;
    }
  };
  const what = `${files.name}: ${shownName(file.name)}`;
  for await (const chunk of decompress(hashed(), format, { what })) raw.update(chunk);
  const found = raw.digest();
  const mediaType = format === 'gzip' ? MEDIA_TYPE.ociLayerGzip : MEDIA_TYPE.ociLayerZstd;
  if (found !== diffId) {
    throw digestMismatch({ mediaType: MEDIA_TYPE.ociLayer, digest: diffId, size: raw.size }, found);
  }
  return { mediaType, digest: packed.digest(), size: packed.size };
}

async function headOf(file: TarFile, files: ArchiveFiles): Promise<Uint8Array> {
  const head = { ...file, sizeBytes: Math.min(SNIFF_BYTES, file.sizeBytes) };
  for await (const chunk of files.read(head)) return chunk;
  return new Uint8Array(0);
}
