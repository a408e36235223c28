import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Signalled } from '../content/transport.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { type Digest, isDigest, isDigestAlgorithm } from '../oci/digest.ts';
import type { LeaseRecord } from '../state/lease.ts';
import { blobPath } from './blobs.ts';
import { unlessMissing } from './files.ts';
import type { Entry, IndexFile } from './index-json.ts';
import { nameOf } from './names.ts';
import { reachFrom, subjectOf } from './reachable.ts';
import { removeUnused, restoreTrash } from './trash.ts';
import type { Workspace } from './workspace.ts';

export interface PruneOptions extends Signalled {
  /** also drop entries that have no name (the default keeps them) */
  readonly unnamed?: boolean;
  readonly dryRun?: boolean;
  /** leave what was written, or found present, less than so long ago; also entries without a name */
  readonly minAgeMs?: number;
}

export interface Pruned {
  readonly blobs: readonly Digest[];
  /** bytes that were freed */
  readonly bytes: number;
  /** entries of `index.json` that were dropped */
  readonly entries: readonly Descriptor[];
}

/** See `Layout.prune`; docs/decisions/0002-locks-and-leases.md says why nothing used is lost. */
export async function pruneLayout(
  workspace: Workspace,
  index: IndexFile,
  options: PruneOptions,
): Promise<Pruned> {
  if (options.dryRun && !(await workspace.isMade())) {
    return pruneUnderLock(workspace, index, [], options);
  }
  return workspace.locked(async () => {
    if (!options.dryRun) {
      await workspace.sweep();
      await restoreTrash(workspace);
    }
    return pruneUnderLock(workspace, index, await workspace.leases(), options);
  }, options);
}

async function pruneUnderLock(
  workspace: Workspace,
  index: IndexFile,
  leases: readonly LeaseRecord[],
  { unnamed = false, dryRun = false, minAgeMs, signal }: PruneOptions,
): Promise<Pruned> {
  const { dir, ownLease } = workspace;
  // Our own caller knows what it has looked at; what it has written still counts as used.
  const roots = leases
    .filter((lease) => lease.id !== ownLease?.id)
    .flatMap((lease) => lease.notes.filter(isDigest).map((digest) => ({ digest })));
  const youngMs = minAgeMs === undefined ? Number.POSITIVE_INFINITY : Date.now() - minAgeMs;
  const thresholdMs = Math.min(youngMs, ...leases.map((lease) => lease.startMs));

  const before = await index.entries();
  const kept = unnamed ? await needed(dir, before, youngMs, signal) : new Set(before);
  const dropped = before.filter((entry) => !kept.has(entry));
  if (dropped.length > 0 && !dryRun) {
    // The index first: a crash then leaves blobs too many, never too few.
    await index.change(async (entries: readonly Entry[]) =>
      entries.filter((_, position) => kept.has(before[position] as Descriptor)),
    );
  }
  const reached = new Set<Digest>();
  await reachFrom(dir, [...kept, ...roots], reached, signal);

  const blobs: Digest[] = [];
  let bytes = 0;
  for await (const digest of blobsIn(dir)) {
    if (reached.has(digest)) continue;
    signal?.throwIfAborted();
    const found = await unlessMissing(lstat(blobPath(dir, digest)));
    if (found === undefined || found.isDirectory() || found.mtimeMs >= thresholdMs) continue;
    if (!dryRun && !(await removeUnused(workspace, digest, thresholdMs))) continue;
    blobs.push(digest);
    bytes += found.size;
  }
  return { blobs, bytes, entries: dropped };
}

/**
 * Entries with a name, those that describe one of these (signatures, attestations), and those that
 * are as young as `youngMs`.
 */
async function needed(
  dir: string,
  entries: readonly Descriptor[],
  youngMs: number,
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<Descriptor>> {
  const kept = new Set<Descriptor>();
  for (const entry of entries) {
    if (nameOf(entry) !== undefined || (await isYoung(dir, entry, youngMs))) kept.add(entry);
  }
  const reached = new Set<Digest>();
  await reachFrom(dir, [...kept], reached, signal);
  const subjects = new Map<Descriptor, Digest>();
  for (const entry of entries) {
    const subject = kept.has(entry) ? undefined : await subjectOf(dir, entry.digest);
    if (subject !== undefined) subjects.set(entry, subject);
  }
  for (let found = true; found; ) {
    found = false;
    for (const [entry, subject] of subjects) {
      if (kept.has(entry) || !reached.has(subject)) continue;
      kept.add(entry);
      await reachFrom(dir, [entry], reached, signal);
      found = true;
    }
  }
  return kept;
}

async function isYoung(dir: string, { digest }: Descriptor, youngMs: number): Promise<boolean> {
  if (youngMs === Number.POSITIVE_INFINITY) return false;
  const found = await unlessMissing(lstat(blobPath(dir, digest)));
  return found !== undefined && found.mtimeMs >= youngMs;
}

/** All blobs, of folders that are the layout's own: through a link lie somebody else's. */
async function* blobsIn(dir: string): AsyncGenerator<Digest> {
  for (const algorithm of (await unlessMissing(readdir(join(dir, 'blobs')))) ?? []) {
    const folder = join(dir, 'blobs', algorithm);
    if (!isDigestAlgorithm(algorithm) || !(await lstat(folder)).isDirectory()) continue;
    for (const hex of await readdir(folder)) {
      const digest = `${algorithm}:${hex}`;
      if (isDigest(digest)) yield digest;
    }
  }
}
