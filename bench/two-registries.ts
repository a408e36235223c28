/**
 * Publishes a `docker save` archive, whose layers aren't compressed yet, to one docker-registry and
 * to two in one run, in turns, and counts what was read and compressed for the two.
 *
 *     node bench/two-registries.ts [RUNS [MIB]]
 */
import { spawn } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { makeImage } from '../test/faults/image.ts';
import { startDockerRegistry } from '../test/rig/docker-registry.ts';
import { type Owner, tempDir } from '../test/rig/lifetime.ts';
import { ownerWithEnd } from '../test/rig/owner.ts';
import { missing, mustRun } from '../test/rig/programs.ts';
import { type Cost, inTurns, measure, print } from './measure.ts';
import { SLIPWAY } from './peers.ts';

const MIB = 1024 * 1024;

/** A `docker save` archive of an image with half-compressible layers. */
async function makeArchive(owner: Owner, sizeMiB: number): Promise<string> {
  const folder = await tempDir(owner);
  const layers = [sizeMiB / 2, sizeMiB / 4, sizeMiB / 4].map((part) => part * MIB);
  const { layout } = await makeImage(owner, layers, { isText: true });
  const archive = path.join(folder, 'image.tar');
  await writeFile(path.join(folder, 'policy'), '{"default":[{"type":"insecureAcceptAnything"}]}');
  const policy = ['--policy', path.join(folder, 'policy')];
  const places = [`oci:${layout}:1`, `docker-archive:${archive}:app:1`];
  await mustRun('skopeo', [...policy, 'copy', '--quiet', ...places]);
  return archive;
}

async function publishTo(count: number, archive: string): Promise<Cost> {
  const { owner, end } = ownerWithEnd();
  try {
    const targets: string[] = [];
    for (let at = 0; at < count; at++) {
      targets.push(`docker://${(await startDockerRegistry(owner)).host}/app:1`);
    }
    // A home of its own: what an earlier run compressed would be remembered.
    const home = await tempDir(owner);
    const env = { HOME: home, SLIPWAY_HOME: path.join(home, 'slipway'), TMPDIR: home };
    return await measure([...SLIPWAY, 'copy', '-q', `docker-archive:${archive}`, ...targets], env);
  } finally {
    await end();
  }
}

/** Feeds the archive through a pipe, where nothing can be read twice, and counts. */
async function count(archive: string): Promise<void> {
  const { owner, end } = ownerWithEnd();
  try {
    const targets = [await startDockerRegistry(owner), await startDockerRegistry(owner)];
    const home = await tempDir(owner);
    const [node = '', ...main] = SLIPWAY;
    const child = spawn(
      node,
      [
        ...[...main, 'copy', '--progress', 'json', 'docker-archive:-'],
        ...targets.map(({ host }) => `docker://${host}/app:1`),
      ],
      {
        env: { PATH: process.env.PATH ?? '', HOME: home, TMPDIR: home },
        stdio: ['pipe', 'ignore', 'pipe'],
      },
    );
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
    const source = createReadStream(archive);
    source.pipe(child.stdin);
    const code = await new Promise((resolve) => child.on('close', resolve));
    if (code !== 0) throw new Error(`it ended with ${code}: ${log.slice(-2000)}`);
    const events = log
      .split('\n')
      .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line)] : []));
    const made = events.filter(({ type }) => type === 'compress.done');
    const rawBytes = made.reduce((sum, { size }) => sum + size, 0);
    process.stdout.write(
      `for two registries: ${source.bytesRead} of ${(await stat(archive)).size} bytes read, ` +
        `${made.length} layers of ${rawBytes} bytes compressed once\n`,
    );
  } finally {
    await end();
  }
}

const [runs = 5, sizeMiB = 200] = process.argv.slice(2).map(Number);
const absent = missing('docker-registry', 'skopeo', 'tar', 'time');
if (absent !== false) throw new Error(absent);
const { owner, end } = ownerWithEnd();
try {
  const archive = await makeArchive(owner, sizeMiB);
  process.stdout.write(`an archive of ${sizeMiB} MiB, ${runs} runs each\n`);
  const tools = { two: () => publishTo(2, archive), one: () => publishTo(1, archive) };
  print(await inTurns(runs, tools));
  await count(archive);
  await rm(archive);
} finally {
  await end();
}
