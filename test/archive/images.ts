import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Archive, openArchive } from '../../src/archive/archive.ts';
import { walk } from '../../src/content/graph.ts';
import { fetching, verifiedOpen } from '../../src/content/verify.ts';
import { type ErrorCode, isSlipwayError } from '../../src/errors.ts';
import { noise } from '../bytes/samples.ts';
import { RAW_END, rawFile, rawHeader } from '../bytes/tar-fixture.ts';

/** A file inside an archive that a test makes. */
export type Entry = Buffer;

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** A layer as an engine makes it: a tar with one file. */
export function layer(seed: string, sizeBytes = 3000): Buffer {
  return Buffer.concat([rawFile(`etc/${seed}`, noise(sizeBytes, seed)), RAW_END]);
}

/** An image config for layers that are given uncompressed. */
export function config(layers: readonly Buffer[], architecture = 'amd64'): Buffer {
  const diffIds = layers.map((bytes) => `sha256:${sha256(bytes)}`);
  return json({ architecture, os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } });
}

export function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

/** What `docker save` of a classic engine writes, a repeated layer as a link included. */
export function dockerSave(layers: readonly Buffer[], tags: readonly string[] | null): Entry[] {
  const settings = config(layers);
  const first = new Map<string, string>();
  const entries: Entry[] = [];
  const names = layers.map((bytes, at) => {
    const id = sha256(`layer ${at} ${sha256(bytes)}`);
    const same = first.get(sha256(bytes));
    entries.push(rawHeader({ name: `${id}/`, type: '5' }), rawFile(`${id}/VERSION`, '1.0'));
    if (same === undefined) entries.push(rawFile(`${id}/layer.tar`, bytes));
    else entries.push(rawHeader({ name: `${id}/layer.tar`, type: '2', link: `../${same}` }));
    first.set(sha256(bytes), `${id}/layer.tar`);
    return `${id}/layer.tar`;
  });
  const name = `${sha256(settings)}.json`;
  const list = json([{ Config: name, RepoTags: tags, Layers: names }]);
  return [...entries, rawFile(name, settings), rawFile('manifest.json', list)];
}

export const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const INDEX = 'application/vnd.oci.image.index.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar';

export interface Described {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export function describeBytes(bytes: Uint8Array, mediaType: string): Described {
  return { mediaType, digest: `sha256:${sha256(bytes)}`, size: bytes.byteLength };
}

/** The entry of a blob of an OCI layout. */
export function blob(bytes: Uint8Array): Entry {
  return rawFile(`blobs/sha256/${sha256(bytes)}`, bytes);
}

export interface OciImageParts {
  readonly descriptor: Described;
  readonly manifest: Buffer;
  readonly config: Buffer;
  readonly blobs: readonly Entry[];
}

/** An OCI image with uncompressed layers. */
export function ociImage(layers: readonly Buffer[], architecture = 'amd64'): OciImageParts {
  const settings = config(layers, architecture);
  const manifest = json({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: describeBytes(settings, CONFIG),
    layers: layers.map((bytes) => describeBytes(bytes, LAYER)),
    // So that the digest differs from that of a manifest that a reader makes.
    annotations: { made: 'by the test' },
  });
  return {
    descriptor: describeBytes(manifest, MANIFEST),
    manifest,
    config: settings,
    blobs: [...layers, settings, manifest].map(blob),
  };
}

/** The documents of an OCI layout. */
export function ociDocuments(manifests: readonly object[]): Entry[] {
  return [
    rawFile('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
    rawFile('index.json', json({ schemaVersion: 2, manifests })),
  ];
}

/** The annotations that give an image its names. */
export function named(refName: string, full?: string): object {
  return {
    annotations: {
      'org.opencontainers.image.ref.name': refName,
      ...(full === undefined ? {} : { 'io.containerd.image.name': full }),
    },
  };
}

/** A folder that is removed after the test. */
export async function scratch(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'slipway-archive-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Writes entries as an archive and opens it. */
export async function opened(t: TestContext, entries: readonly Entry[]): Promise<Archive> {
  const path = join(await scratch(t), 'made.tar');
  await writeFile(path, Buffer.concat([...entries, RAW_END]));
  const archive = await openArchive(path);
  t.after(() => archive.close());
  return archive;
}

/** Reads all of every image of an archive, checked; the digests of their tops. */
export async function readImages(archive: Archive): Promise<string[]> {
  const digests: string[] = [];
  for (const { key } of archive.images()) {
    const root = await archive.resolve(key);
    const { blobs } = await walk(archive, root);
    for (const descriptor of blobs) {
      for await (const _ of verifiedOpen(descriptor, fetching(archive, descriptor))(0));
    }
    digests.push(root.digest);
  }
  return digests;
}

/** Opens an archive and reads all of it. */
export async function readAll(path: string): Promise<string[]> {
  const archive = await openArchive(path);
  try {
    return await readImages(archive);
  } finally {
    await archive.close();
  }
}

/** For `assert.rejects`: a Slipway error of this code, whose message and hint fit. */
export function failing(code: ErrorCode, text = /(?:)/) {
  return (error: unknown): boolean =>
    isSlipwayError(error, code) && text.test(`${error.message} ${error.hint ?? ''}`);
}
