import { type DirectoryNode, directory, type FileNode, partsOf } from '../build/native/nodes.ts';
import { entriesOf } from '../build/native/spooled-tar.ts';
import { addTar } from '../build/native/tar-tree.ts';
import { follow } from '../build/native/walk.ts';
import { collect } from '../bytes/stream.ts';
import { type Graph, readManifest } from '../content/graph.ts';
import { readDocument, verifiedBytes } from '../content/verify.ts';
import { SlipwayError } from '../errors.ts';
import { type ImageConfig, parseConfig } from '../oci/config.ts';
import { shortDigest } from '../oci/digest.ts';
import { DOCUMENT_LIMITS, isJsonObject } from '../oci/json.ts';

/** A file of an image. */
export interface ImageFile {
  readonly path: string;
  readonly node: FileNode;
}

/** What can be known of an image without running it. */
export interface LookedAt {
  readonly name: string;
  readonly config: ImageConfig;
  /** the value of a variable of its environment */
  env(name: string): string | undefined;
  /** A file, symbolic links followed; undefined if it isn't there. */
  file(path: string): Promise<ImageFile | undefined>;
  /** The files of a folder, by name. */
  folder(path: string): Promise<ReadonlyMap<string, FileNode>>;
}

interface Options {
  readonly signal: AbortSignal;
  readonly spoolDir: string;
  readonly onClose: (close: () => Promise<void>) => void;
}

/**
 * Looks into an image; layers are read when a file is asked for, and nothing of them is unpacked.
 *
 * @throws SlipwayError `CONTENT_INVALID` for an index
 */
export async function lookInto(graph: Graph, options: Options): Promise<LookedAt> {
  const { signal } = options;
  const { source, name } = graph;
  const { document } = await readManifest(source, await graph.root(), { signal });
  if (document.kind === 'index') {
    throw new SlipwayError('CONTENT_INVALID', `${name} is an index, not one image`, {
      side: 'source',
      hint: 'say which architecture is meant with ARCH=…',
    });
  }
  const maxBytes = DOCUMENT_LIMITS.configBytes;
  const config = parseConfig(await readDocument(source, document.config, { signal, maxBytes }));
  let tree: Promise<DirectoryNode> | undefined;
  const files = (): Promise<DirectoryNode> => {
    tree ??= (async () => {
      const root = directory();
      for (const [at, layer] of document.layers.entries()) {
        const what = `the layer ${shortDigest(layer.digest)}`;
        const open = () => verifiedBytes(layer, source.fetch(layer, { signal }));
        const diffId = config.diffIds[at];
        const known = diffId === undefined ? {} : { diffId };
        const entries = entriesOf({ what, open, ...known, ...options });
        await addTar(root, entries, { what, whiteouts: true });
      }
      return root;
    })();
    return tree;
  };
  return {
    name,
    config,
    env: (variable) => environmentOf(config).get(variable),
    async file(path) {
      const { node } = await follow(await files(), partsOf(path), { what: name });
      return node?.kind === 'file' ? { path, node } : undefined;
    },
    async folder(path) {
      const { node } = await follow(await files(), partsOf(path), { what: name });
      const children = node?.kind === 'directory' ? await node.children() : new Map();
      const found = [...children].filter(([, child]) => child.kind === 'file');
      return new Map(found.map(([child, file]) => [child, file as FileNode]));
    },
  };
}

/** Reads a file as text. */
export async function textOf({ path, node }: ImageFile, maxBytes: number): Promise<string> {
  return (
    await collect(node.open(), maxBytes, `/${path.replace(/^\/+/, '')} of the image`)
  ).toString();
}

function environmentOf({ json }: ImageConfig): ReadonlyMap<string, string> {
  const { config } = json;
  const list = isJsonObject(config) && Array.isArray(config.Env) ? config.Env : [];
  return new Map(
    list.map((text): [string, string] => {
      const [name = '', value = ''] = String(text).split(/=(.*)/s);
      return [name, value];
    }),
  );
}
