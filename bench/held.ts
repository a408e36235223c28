import { MEDIA_TYPE } from '../src/oci/mediatype.ts';

const TYPES = Object.values(MEDIA_TYPE)
  .filter((type) => /manifest|index/.test(type))
  .join(', ');

interface Manifest {
  readonly manifests?: readonly { readonly digest: string }[];
  readonly layers?: readonly { readonly size: number }[];
}

/** Sizes of an image's layers as a registry tells them, added up; an index's first image counts. */
export async function layerBytesOf(host: string, image: string): Promise<number> {
  const [repository = '', tag = ''] = image.split(':');
  const read = async (reference: string): Promise<Manifest> => {
    const url = `http://${host}/v2/${repository}/manifests/${reference}`;
    const answer = await fetch(url, { headers: { accept: TYPES } });
    if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
    return (await answer.json()) as Manifest;
  };
  let manifest = await read(tag);
  const [first] = manifest.manifests ?? [];
  if (first !== undefined) manifest = await read(first.digest);
  return (manifest.layers ?? []).reduce((sum, { size }) => sum + size, 0);
}
