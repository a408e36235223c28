import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SlipwayError } from '../errors.ts';
import { type Descriptor, parseDescriptor } from '../oci/descriptor.ts';
import {
  DOCUMENT_LIMITS,
  isJsonObject,
  type JsonObject,
  parseJsonObject,
  refuseLookalikeKeys,
} from '../oci/json.ts';
import { MEDIA_TYPE } from '../oci/mediatype.ts';
import { readSmallFile, replaceFile, syncFolder, unlessMissing } from './files.ts';
import type { Workspace } from './workspace.ts';

/** An entry of `index.json`, with the text that keeps fields that Slipway doesn't know. */
export interface Entry {
  readonly descriptor: Descriptor;
  /** the entry as JSON, numbers spelled as they were */
  readonly json: string;
}

/** Turns the entries into new ones; the same array means that nothing changes. */
export type Change = (entries: readonly Entry[]) => Promise<readonly Entry[]>;

/** The `index.json` of a layout (image-spec, image-layout.md "index.json file"). */
export interface IndexFile {
  /** The entries, in their order. Read again only when the file has changed. */
  entries(): Promise<readonly Descriptor[]>;
  /** Reads, changes and replaces the file. The caller holds the lock. */
  change(change: Change): Promise<void>;
  /** Makes an empty one, if there is none. The caller holds the lock. */
  create(): Promise<void>;
}

const EMPTY_INDEX = `{"schemaVersion":2,"mediaType":"${MEDIA_TYPE.ociIndex}","manifests":[]}`;

const KEYS = ['schemaVersion', 'mediaType', 'manifests', 'annotations'];

interface Loaded {
  readonly bytes: Buffer;
  readonly entries: readonly Descriptor[];
  stamp: string | undefined;
}

interface Parsed {
  readonly of: Loaded;
  readonly top: JsonObject;
  readonly entries: readonly Entry[];
}

/** How long after a change a file may change again without a new time (ticks of the kernel). */
const TICK_MS = 100;

/** The `index.json` in the workspace's layout. */
export function createIndexFile(workspace: Workspace): IndexFile {
  const path = join(workspace.dir, 'index.json');
  let loaded: Loaded | undefined;
  /** entries with their text, made for the first change only */
  let parsed: Parsed | undefined;

  const load = async ({ again = false } = {}): Promise<Loaded> => {
    const stamp = await stampOf(path);
    if (!again && stamp !== undefined && stamp === loaded?.stamp) return loaded;
    const bytes = await readSmallFile(path, DOCUMENT_LIMITS.manifestBytes);
    if (bytes === undefined) throw missing(path);
    if (loaded?.bytes.equals(bytes)) loaded.stamp = stamp;
    else loaded = { bytes, entries: parseIndex(bytes, path), stamp };
    return loaded;
  };

  const write = async (top: JsonObject, entries: readonly Entry[]) => {
    const bytes = Buffer.from(encode(top, entries));
    if (bytes.byteLength > DOCUMENT_LIMITS.manifestBytes) {
      throw new SlipwayError(
        'LIMIT_EXCEEDED',
        `${path} would become longer than ${DOCUMENT_LIMITS.manifestBytes} bytes`,
        { path, side: 'destination', hint: 'remove names that are no longer used' },
      );
    }
    await replaceFile(path, workspace.indexDraft, bytes, workspace.fileMode);
    await syncFolder(workspace.dir);
    loaded = { bytes, entries: entries.map((entry) => entry.descriptor), stamp: undefined };
    parsed = { of: loaded, top, entries };
  };

  return {
    entries: async () => (await load()).entries,
    async change(change) {
      // A change must not rest on a stamp: some file systems count whole seconds.
      const before = await load({ again: true });
      if (parsed?.of !== before) parsed = { of: before, ...parseExactly(before) };
      const { top, entries } = parsed;
      const after = await change(entries);
      if (after !== entries) await write(top, after);
    },
    async create() {
      if ((await unlessMissing(stat(path))) !== undefined) return;
      await replaceFile(path, workspace.indexDraft, Buffer.from(EMPTY_INDEX), workspace.fileMode);
    },
  };
}

/** What tells one state of a file from the next, or undefined if it is too young for that. */
async function stampOf(path: string): Promise<string | undefined> {
  const found = await unlessMissing(stat(path, { bigint: true }));
  if (found === undefined) throw missing(path);
  const ageMs = Date.now() - Number(found.mtimeNs / 1_000_000n);
  if (ageMs >= 0 && ageMs < TICK_MS) return undefined;
  return `${found.ino} ${found.size} ${found.mtimeNs} ${found.ctimeNs}`;
}

/** Checks and reads the entries. */
function parseIndex(bytes: Buffer, path: string): readonly Descriptor[] {
  const json = parseJsonObject(bytes, path, DOCUMENT_LIMITS.manifestBytes);
  refuseLookalikeKeys(json, KEYS, path);
  const { schemaVersion, mediaType, manifests } = json;
  if (schemaVersion !== 2) throw invalid(path, 'has no schemaVersion 2');
  if (mediaType !== undefined && mediaType !== null && mediaType !== MEDIA_TYPE.ociIndex) {
    throw invalid(path, 'has a mediaType that is not that of an image index');
  }
  // Go's encoder writes an empty list as null.
  if (manifests === undefined || manifests === null) return [];
  if (!Array.isArray(manifests)) throw invalid(path, 'has no list of manifests');
  return manifests.map((item, index) => parseDescriptor(item, `${path}: manifests[${index}]`));
}

/** Parses once more, with numbers kept as they are spelled. */
function parseExactly({ bytes, entries }: Loaded): { top: JsonObject; entries: readonly Entry[] } {
  const top = JSON.parse(bytes.toString('utf8'), keepNumber) as JsonObject;
  const manifests = Array.isArray(top.manifests) ? top.manifests : [];
  return {
    top,
    entries: entries.map((descriptor, index) => ({
      descriptor,
      json: JSON.stringify(manifests[index]),
    })),
  };
}

/** `JSON.rawJSON` and the reviver's third argument (ECMAScript 2026) aren't in TypeScript's library yet. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };

function keepNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined) return value;
  return String(value) === context.source ? value : rawJSON(context.source);
}

function encode(top: JsonObject, entries: readonly Entry[]): string {
  const manifests = `[${entries.map((entry) => entry.json).join(',')}]`;
  const keys = Object.hasOwn(top, 'manifests')
    ? Object.keys(top)
    : [...Object.keys(top), 'manifests'];
  const fields = keys.map((key) => {
    const value = key === 'manifests' ? manifests : JSON.stringify(top[key]);
    return `${JSON.stringify(key)}:${value}`;
  });
  return `{${fields.join(',')}}`;
}

/** An entry for `descriptor`; what `like`, an entry for the same manifest, says beside is kept. */
export function makeEntry(descriptor: Descriptor, like?: Entry): Entry {
  const old: unknown = like === undefined ? {} : JSON.parse(like.json, keepNumber);
  const { mediaType, digest, size, annotations = {} } = descriptor;
  const known = isJsonObject(old) ? old : {};
  // The first spread gives the order of the keys, the second what is missing, the third wins.
  const json = { ...known, ...descriptor, ...known, mediaType, digest, size, annotations };
  const { annotations: _, ...withoutAnnotations } = json;
  const isBare = Object.keys(annotations).length === 0;
  return { descriptor, json: JSON.stringify(isBare ? withoutAnnotations : json) };
}

function missing(path: string): SlipwayError {
  return new SlipwayError('ARCHIVE_INVALID', `${path} is missing: the folder is no OCI layout`, {
    path,
  });
}

function invalid(path: string, problem: string): SlipwayError {
  return new SlipwayError('CONTENT_INVALID', `${path} ${problem}`, { path });
}
