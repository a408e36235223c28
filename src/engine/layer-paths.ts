import { createHash } from 'node:crypto';
import { type Digest, digestHex, isDigest } from '../oci/digest.ts';
import { isJsonObject } from '../oci/json.ts';

/** Tells from the names in an engine's export which layer a file is, before `manifest.json` comes. */
export interface LayerPaths {
  /** True for a file that says which layer stands beside it. */
  tells(name: string): boolean;
  /** Takes such a file. */
  take(name: string, bytes: Uint8Array): void;
  /** The diffID of the layer that a file must be if it is one; undefined if that isn't known. */
  layerAt(name: string): Digest | undefined;
}

const BY_DIGEST = /^(?:blobs\/sha256\/([0-9a-f]{64})|([0-9a-f]{64})\.tar)$/;
const BY_OLD_ID = /^([0-9a-f]{64})\/(json|layer\.tar)$/;

/**
 * Knows the paths of Docker since 25 (`blobs/sha256/DIFFID`), of Podman (`DIFFID.tar`) and of
 * older Dockers (`ID/layer.tar` with the layer's id of the first image format, which is the hash of
 * what `ID/json` says together with the layers below: moby, image/v1).
 */
export function createLayerPaths(diffIds: readonly Digest[]): LayerPaths {
  const known = new Set(diffIds);
  const chain = chainIds(diffIds);
  const byOldId = new Map<string, Digest>();
  return {
    tells: (name) => BY_OLD_ID.exec(name)?.[2] === 'json',
    take(name, bytes) {
      const id = BY_OLD_ID.exec(name)?.[1];
      const at = id === undefined ? -1 : placeOf(id, bytes, chain);
      const diffId = diffIds[at];
      if (id !== undefined && diffId !== undefined) byOldId.set(id, diffId);
    },
    layerAt(name) {
      const found = BY_DIGEST.exec(name);
      if (found === null) {
        const [, id = '', file] = BY_OLD_ID.exec(name) ?? [];
        return file === 'layer.tar' ? byOldId.get(id) : undefined;
      }
      const digest = `sha256:${found[1] ?? found[2]}`;
      return isDigest(digest) && known.has(digest) ? digest : undefined;
    },
  };
}

/** Digests of stacks of layers (image-spec, config.md, "Layer ChainID"). */
function chainIds(diffIds: readonly Digest[]): readonly string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : `sha256:${sha256(`${below} ${diffId}`)}`);
  }
  return chain;
}

/** Which layer of the stack has this id; -1 if that can't be told. */
function placeOf(id: string, bytes: Uint8Array, chain: readonly string[]): number {
  const json = parsed(bytes);
  if (json === undefined) return -1;
  const { container_config, created, parent } = json;
  // The top one has the image's own config in its id; the others have none at all.
  if ('architecture' in json) return chain.length - 1;
  return chain.findIndex((layer_id, at) => {
    const above = at > 0 && typeof parent === 'string' ? { parent: `sha256:${parent}` } : {};
    return sha256(JSON.stringify({ container_config, created, layer_id, ...above })) === id;
  });
}

function parsed(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(Buffer.from(bytes).toString());
    return isJsonObject(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Where the config of an image stands in an engine's export. */
export function isConfigPath(name: string, id: Digest): boolean {
  return name === `${digestHex(id)}.json` || name === `blobs/sha256/${digestHex(id)}`;
}
