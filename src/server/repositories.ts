import { lstat, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { isSlipwayError, systemCode } from '../errors.ts';
import { blobSize } from '../layout/blobs.ts';
import { type Layout, openLayout } from '../layout/layout.ts';
import type { Digest } from '../oci/digest.ts';
import { Refusal } from './errors.ts';
import { repositoryNames } from './repository-names.ts';

/** The layouts of a registry, one for each repository, opened when they are first asked for. */
export interface Repositories {
  /** Does `work` on a repository; undefined if it isn't there. */
  read<T>(name: string, work: (layout: Layout) => Promise<T>): Promise<T | undefined>;
  /** Does `work` on a repository, which is made if it is missing. */
  write<T>(name: string, work: (layout: Layout) => Promise<T>): Promise<T>;
  /**
   * Like `read` and `write`, while nobody else of this process changes what its names stand for.
   */
  change<T>(name: string, work: (layout: Layout) => Promise<T>): Promise<T | undefined>;
  replace<T>(name: string, work: (layout: Layout) => Promise<T>): Promise<T>;
  /** Keeps a repository open until `release`, and makes it if it is missing. */
  hold(name: string): Promise<HeldLayout>;
  /** The name of a repository that holds a blob, or undefined. */
  find(digest: Digest): Promise<string | undefined>;
  /** The names of all repositories. */
  names(): AsyncIterable<string>;
  /** Closes what is open. */
  close(): Promise<void>;
}

export interface HeldLayout {
  readonly layout: Layout;
  readonly release: () => void;
}

interface Opened {
  readonly layout: Promise<OpenedLayout>;
  readonly sinceMs: number;
  users: number;
  isRetired: boolean;
}

interface OpenedLayout {
  readonly layout: Layout;
  /** which folder it was, should another one take its place */
  readonly inode: number;
}

export interface RepositoriesOptions {
  /** only the owner may read what is written */
  readonly private: boolean;
  /** nothing is written, not even a lock */
  readonly readOnly: boolean;
  /**
   * how long one is used before it is opened anew: what was written since it was opened is safe from
   * a garbage collection
   */
  readonly maxAgeMs?: number;
  /** how many stay open that nobody uses */
  readonly maxOpen?: number;
}

/**
 * @param dir the folder above all repositories
 */
export function createRepositories(dir: string, options: RepositoriesOptions): Repositories {
  const { maxOpen = 256, maxAgeMs = 600_000 } = options;
  const opened = new Map<string, Opened>();
  const lanes = new Map<string, Promise<unknown>>();

  // The name was parsed: lower-case letters, digits and single separators in every part.
  const folderOf = (name: string) => join(dir, ...name.split('/'));
  const open = async (name: string, create: boolean): Promise<OpenedLayout> => {
    await checkLinks(dir, name);
    const layout = await openLayout(folderOf(name), {
      create,
      private: options.private,
      lease: !options.readOnly,
    });
    return { layout, inode: (await stat(layout.dir)).ino };
  };

  const isOld = ({ sinceMs }: Opened) => performance.now() - sinceMs > maxAgeMs;
  const timer = setInterval(() => {
    for (const [name, slot] of opened) {
      if (slot.users > 0 || !isOld(slot)) continue;
      opened.delete(name);
      retire(slot);
    }
  }, maxAgeMs);
  timer.unref();

  const take = async (name: string, create: boolean): Promise<HeldLayout> => {
    const known = opened.get(name);
    const isGood = known !== undefined && !isOld(known) && (await isStillThere(known));
    if (known !== undefined && !isGood && opened.get(name) === known) {
      opened.delete(name);
      retire(known);
    }
    const slot: Opened = opened.get(name) ?? {
      layout: open(name, create),
      sinceMs: performance.now(),
      users: 0,
      isRetired: false,
    };
    slot.layout.catch(() => {});
    // Last in the map is used last.
    opened.delete(name);
    opened.set(name, slot);
    slot.users += 1;
    const release = once(() => {
      slot.users -= 1;
      if (slot.isRetired) retire(slot);
    });
    try {
      const { layout } = await slot.layout;
      shrink();
      return { layout, release };
    } catch (error) {
      release();
      if (opened.get(name) === slot) opened.delete(name);
      throw error;
    }
  };

  /** Closes a layout when the last of its users has gone. */
  const retire = (slot: Opened): void => {
    slot.isRetired = true;
    if (slot.users === 0) slot.layout.then(({ layout }) => layout.close()).catch(() => {});
  };

  const shrink = () => {
    if (opened.size <= maxOpen) return;
    for (const [name, slot] of opened) {
      if (opened.size <= maxOpen) return;
      if (slot.users > 0) continue;
      opened.delete(name);
      retire(slot);
    }
  };

  const read = async <T>(
    name: string,
    work: (layout: Layout) => Promise<T>,
  ): Promise<T | undefined> => {
    const held = await take(name, false).catch((error: unknown) => {
      // A folder that is only the parent of repositories, or a part of no path.
      if (isSlipwayError(error, 'FILE_NOT_FOUND', 'ARCHIVE_INVALID')) return undefined;
      throw error;
    });
    if (held === undefined) return undefined;
    try {
      return await work(held.layout);
    } finally {
      held.release();
    }
  };

  const write = async <T>(name: string, work: (layout: Layout) => Promise<T>): Promise<T> => {
    const { layout, release } = await hold(name);
    try {
      return await work(layout);
    } finally {
      release();
    }
  };

  const hold = async (name: string): Promise<HeldLayout> => {
    try {
      return await take(name, false);
    } catch (error) {
      if (!isSlipwayError(error, 'FILE_NOT_FOUND', 'ARCHIVE_INVALID')) throw error;
      return await take(name, true);
    }
  };

  /** One after the other, for each repository. */
  const inLane = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const working = (lanes.get(name) ?? Promise.resolve()).then(work);
    const settled = working.catch(() => {});
    lanes.set(name, settled);
    try {
      return await working;
    } finally {
      if (lanes.get(name) === settled) lanes.delete(name);
    }
  };

  return {
    read,
    write,
    hold,
    names: () => repositoryNames(dir),
    async find(digest) {
      for await (const name of repositoryNames(dir)) {
        if ((await blobSize(folderOf(name), digest)) !== undefined) return name;
      }
      return undefined;
    },
    change: (name, work) => inLane(name, () => read(name, work)),
    replace: (name, work) => inLane(name, () => write(name, work)),
    async close() {
      clearInterval(timer);
      const all = [...opened.values()];
      opened.clear();
      await Promise.allSettled(all.map(async (slot) => (await slot.layout).layout.close()));
    },
  };
}

/** A link on the way to a repository could lead out of the storage: none is followed. */
async function checkLinks(dir: string, name: string): Promise<void> {
  let path = dir;
  for (const part of name.split('/')) {
    path = join(path, part);
    const found = await lstat(path).catch((error: unknown) => {
      if (['ENOENT', 'ENOTDIR'].includes(systemCode(error) ?? '')) return undefined;
      throw error;
    });
    if (found === undefined) return;
    if (found.isSymbolicLink()) {
      throw new Refusal(
        'NAME_UNKNOWN',
        'this repository is behind a link, and no link is followed',
      );
    }
  }
}

/** False if the folder was removed, or another one is there now. */
async function isStillThere(slot: Opened): Promise<boolean> {
  try {
    const { layout, inode } = await slot.layout;
    return (await stat(layout.dir)).ino === inode;
  } catch {
    return false;
  }
}

function once(work: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    work();
  };
}
