import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, stat, unlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileError } from '../bytes/stream.ts';
import { systemCode } from '../errors.ts';
import { type DigestAlgorithm, isDigestAlgorithm } from '../oci/digest.ts';
import { isJsonObject } from '../oci/json.ts';
import { type Hold, tryHold } from '../state/exclusive.ts';

/** What is known of an upload before its first byte. */
export interface UploadRecord {
  readonly repository: string;
  readonly algorithm: DigestAlgorithm;
}

/**
 * The open uploads of a storage folder, in `.slipway/uploads`: for each one a record, its bytes and
 * a lock. They outlive the process, and all processes that serve the folder know them.
 */
export interface UploadFiles {
  /** Begins an upload and gives its id. */
  create(record: UploadRecord): Promise<string>;
  /** The record of an upload, or undefined if there is none. */
  read(id: string): Promise<UploadRecord | undefined>;
  /** Where the bytes are; the file is there from the first byte on. */
  dataPath(id: string): string;
  heldBytes(id: string): Promise<number>;
  /** Tries to hold an upload against all other requests of all processes. */
  hold(id: string): Promise<Hold | undefined>;
  /** Notes that it is still wanted. */
  touch(id: string): Promise<void>;
  /** Removes an upload. The caller holds it. */
  remove(id: string): Promise<void>;
  /** How many are open. */
  count(): Promise<number>;
  /**
   * All uploads, and when each was last used, in milliseconds since 1970. What a kill left of one
   * that had ended counts, too.
   */
  list(): Promise<readonly { readonly id: string; readonly usedAtMs: number }[]>;
}

/** 128 random bits: who doesn't know an id can't touch the upload. */
const ID = /^[A-Za-z0-9_-]{22}$/;
const FILE = /^([A-Za-z0-9_-]{22})\.(?:json|data|lock)$/;

/** @param storage the folder above all repositories */
export function createUploadFiles(storage: string): UploadFiles {
  const dir = join(storage, '.slipway', 'uploads');
  const pathOf = (id: string, ending: string) => join(dir, `${id}.${ending}`);

  return {
    async create(record) {
      const id = randomBytes(16).toString('base64url');
      const path = pathOf(id, 'json');
      try {
        await mkdir(dir, { recursive: true, mode: 0o700 });
        await writeFile(path, JSON.stringify(record), { flag: 'wx', mode: 0o600 });
      } catch (cause) {
        throw fileError(path, cause);
      }
      return id;
    },
    async read(id) {
      if (!ID.test(id)) return undefined;
      const text = await readFile(pathOf(id, 'json'), 'utf8').catch(ignoreMissing);
      return text === undefined ? undefined : parseRecord(text);
    },
    dataPath: (id) => pathOf(id, 'data'),
    heldBytes: async (id) => (await stat(pathOf(id, 'data')).catch(ignoreMissing))?.size ?? 0,
    hold: (id) => tryHold(pathOf(id, 'lock')),
    async touch(id) {
      const now = Date.now() / 1000;
      // Where nothing can be written, nothing expires either.
      await utimes(pathOf(id, 'json'), now, now).catch(() => {});
    },
    async remove(id) {
      // The record first: whoever opened the lock before it went sees that the upload is over.
      for (const ending of ['json', 'data', 'lock']) {
        await unlink(pathOf(id, ending)).catch(ignoreMissing);
      }
    },
    count: async () => (await namesIn(dir)).filter((name) => name.endsWith('.json')).length,
    async list() {
      const found = new Map<string, number>();
      for (const name of await namesIn(dir)) {
        const id = FILE.exec(name)?.[1];
        if (id === undefined) continue;
        const status = await stat(join(dir, name)).catch(ignoreMissing);
        if (status !== undefined) found.set(id, Math.max(found.get(id) ?? 0, status.mtimeMs));
      }
      return Array.from(found, ([id, usedAtMs]) => ({ id, usedAtMs }));
    },
  };
}

/** A record that was cut by a power failure is none. */
function parseRecord(text: string): UploadRecord | undefined {
  try {
    const json: unknown = JSON.parse(text);
    if (!isJsonObject(json)) return undefined;
    const { repository, algorithm } = json;
    if (typeof repository !== 'string' || typeof algorithm !== 'string') return undefined;
    return isDigestAlgorithm(algorithm) ? { repository, algorithm } : undefined;
  } catch {
    return undefined;
  }
}

async function namesIn(dir: string): Promise<readonly string[]> {
  return (await readdir(dir).catch(ignoreMissing)) ?? [];
}

function ignoreMissing(cause: unknown): undefined {
  if (systemCode(cause) !== 'ENOENT') throw cause;
}
