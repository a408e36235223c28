import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { collectGarbage } from '../../src/server/collect.ts';
import { LONG } from '../rig/long.ts';
import { startRig, temporaryFolder } from './rig.ts';
import { startServed } from './served.ts';
import { SoakClient } from './soak-client.ts';

const CLIENTS = LONG ? 200 : 16;
const KILLS = LONG ? 3 : 1;
/** Between two kills, and before the first and after the last one. */
const PHASE_MS = LONG ? 30_000 : 1_000;
/** Short, so that there is much to collect, and clients are too late now and then. */
const MIN_AGE_MS = 1_000;
const KEPT = /(?:^|\/)(?:blobs\/sha256\/[0-9a-f]{64}|index\.json|oci-layout|\.slipway\/lock)$/;
/** 200 clients were seen to take 156 to 188 MiB, on a busy machine. */
const MAX_BYTES = (LONG ? 250 : 150) * 1024 * 1024;

test(`${CLIENTS} clients at once, collections of garbage and kill -9: nothing acknowledged is lost`, async (t) => {
  const storage = join(await temporaryFolder(t), 'storage');
  const start = () => startServed(t, storage, ['--no-sparse']);
  let [killed, other] = await Promise.all([start(), start()]);
  const baseBytes = await killed.peakBytes();
  const clients = Array.from({ length: CLIENTS }, (_, at) => new SoakClient(at, CLIENTS));
  const soaking = new AbortController();
  t.after(() => soaking.abort());
  const all = clients.map((client) =>
    client.work(() => (client.number % 2 ? killed : other), soaking.signal),
  );
  const collecting = collect(storage, soaking.signal);
  const end = Promise.all([...all, collecting]);
  end.catch(() => {});
  const peaks: number[] = [];
  for (let kills = 0; kills <= KILLS; kills++) {
    await Promise.race([sleep(PHASE_MS), end]);
    peaks.push(await killed.peakBytes(), await other.peakBytes());
    if (kills === KILLS) break;
    await killed.kill();
    killed = await start();
  }
  soaking.abort();
  await end;
  const done = clients.reduce((sum, client) => sum + client.done, 0);
  const peak = Math.max(...peaks);
  t.diagnostic(`${done} steps; ${megabytes(peak)} at most, ${megabytes(baseBytes)} at the start`);
  assert.ok(done > CLIENTS, 'something was done');
  await inParts(clients, async (client) => {
    await client.verify(killed);
    await client.verify(other);
  });
  await checkMemory(peak, baseBytes);
  await Promise.all([killed.registry.close(), other.registry.close()]);
  await drain(collectGarbage({ storage, minAgeMs: 0 }));
  assert.deepEqual(await leftovers(storage), []);
  const last = await startRig(t, { storage });
  await inParts(clients, (client) => client.verify(last));
});

async function collect(storage: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await drain(collectGarbage({ storage, minAgeMs: MIN_AGE_MS }));
    await sleep(200);
  }
}

async function drain(steps: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of steps);
}

async function inParts<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  for (let at = 0; at < all.length; at += 16) {
    await Promise.all(all.slice(at, at + 16).map(work));
  }
}

/** The built program starts with half of the memory that the sources take. */
async function checkMemory(peak: number, base: number): Promise<void> {
  const isBuilt = process.env.SLIPWAY_TEST_PROGRAM !== undefined;
  const limit = isBuilt ? MAX_BYTES : MAX_BYTES + base / 2;
  assert.ok(peak < limit, `${megabytes(peak)} is more than ${megabytes(limit)}`);
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

/** Files that are neither blobs nor another part of a layout, nor the lock that it keeps. */
async function leftovers(storage: string): Promise<readonly string[]> {
  const files = await readdir(storage, { recursive: true, withFileTypes: true });
  return files
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name).slice(storage.length + 1))
    .filter((name) => !KEPT.test(name));
}
