import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, open, readFile, truncate, writeFile } from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { TAR_END, tarHeader, tarPadding } from '../../src/bytes/tar-write.ts';
import { digestHex, digestOf } from '../../src/oci/digest.ts';
import { prose } from '../bytes/samples.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';
import { LONG } from '../rig/long.ts';
import { MAIN } from '../rig/main.ts';
import { prepareSlipway } from '../rig/slipway.ts';
import { dockerArchive, fileOf, layerOf, tarOf } from './archives.ts';

/** Zeros, of which the file systems of tests keep nothing. */
const LAYER_BYTES = LONG ? 4 * 1024 ** 3 : 384 * 1024 ** 2;
const SMALL_BYTES = 1024;
const MIB = 1024 ** 2;

/** A registry that takes everything and keeps nothing. Tells its `127.0.0.1:PORT`. */
async function startSink(owner: Owner) {
  const sink = { host: '', takenBytes: 0 };
  const server = http.createServer((request, response) => {
    request.on('data', (chunk: Buffer) => {
      sink.takenBytes += chunk.byteLength;
    });
    request.on('end', () => {
      const { method = '', url = '' } = request;
      const location = '/v2/app/blobs/uploads/1';
      if (method === 'GET' || method === 'HEAD') response.writeHead(404);
      else if (method === 'POST' || method === 'PATCH') response.writeHead(202, { location });
      else response.writeHead(201, { location: url });
      response.end();
    });
    request.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(owner, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  sink.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return sink;
}

/** The digest of zeros. */
function digestOfZeros(sizeBytes: number): string {
  const hash = createHash('sha256');
  const zeros = Buffer.alloc(MIB);
  for (let left = sizeBytes; left > 0; left -= MIB) hash.update(zeros.subarray(0, left));
  return hash.digest('hex');
}

const configOf = (diffId: string) =>
  Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: {},
      rootfs: { type: 'layers', diff_ids: [`sha256:${diffId}`] },
    }),
  );

/** A layout with one layer that is said to be compressed. */
async function layoutOf(owner: Owner, sizeBytes: number, hex: string): Promise<string> {
  const dir = await tempDir(owner);
  const blobs = path.join(dir, 'blobs/sha256');
  await mkdir(blobs, { recursive: true });
  await writeFile(path.join(blobs, hex), '');
  await truncate(path.join(blobs, hex), sizeBytes);
  const put = async (mediaType: string, bytes: Buffer) => {
    const digest = digestOf(bytes);
    await writeFile(path.join(blobs, digestHex(digest)), bytes);
    return { mediaType, digest, size: bytes.byteLength };
  };
  const type = (name: string) => `application/vnd.oci.image.${name}`;
  const config = await put(type('config.v1+json'), configOf(hex));
  const layer = { mediaType: type('layer.v1.tar+gzip'), digest: `sha256:${hex}`, size: sizeBytes };
  const manifest = { schemaVersion: 2, mediaType: type('manifest.v1+json'), config };
  const root = await put(
    type('manifest.v1+json'),
    Buffer.from(JSON.stringify({ ...manifest, layers: [layer] })),
  );
  await writeFile(path.join(dir, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await writeFile(
    path.join(dir, 'index.json'),
    JSON.stringify({ schemaVersion: 2, manifests: [root] }),
  );
  return `oci:${dir}`;
}

/** What `docker save` would write of one layer. */
async function archiveOf(owner: Owner, sizeBytes: number, hex: string): Promise<string> {
  const file = path.join(await tempDir(owner), 'app.tar');
  const config = configOf(hex);
  const configName = `${digestHex(digestOf(config))}.json`;
  const list = [{ Config: configName, RepoTags: ['app:1'], Layers: [`${hex}.tar`] }];
  const documents = tarOf([
    [configName, config],
    ['manifest.json', Buffer.from(JSON.stringify(list))],
  ]);
  const handle = await open(file, 'w');
  const header = tarHeader({ name: `${hex}.tar`, sizeBytes });
  await handle.write(header, 0, header.byteLength, 0);
  const end = header.byteLength + sizeBytes + tarPadding(sizeBytes).byteLength;
  await handle.write(documents, 0, documents.byteLength, end);
  await handle.close();
  assert.ok(documents.subarray(-TAR_END.byteLength).every((byte) => byte === 0));
  return `docker-archive:${file}`;
}

/** Runs the command and tells the most memory that it ever had, in bytes. */
async function peakOf(env: NodeJS.ProcessEnv, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  let peak = 0;
  const look = setInterval(async () => {
    const text = await readFile(`/proc/${child.pid}/status`, 'utf8').catch(() => '');
    peak = Math.max(peak, Number(/VmHWM:\s+([0-9]+)/.exec(text)?.[1] ?? 0) * 1024);
  }, 20);
  const [code] = await once(child, 'close');
  clearInterval(look);
  assert.equal(code, 0);
  return peak;
}

for (const { what, make, limitBytes, moreBytes } of [
  {
    what: 'a compressed layer',
    make: layoutOf,
    limitBytes: 150 * MIB,
    moreBytes: 90 * MIB,
  },
  {
    what: 'a layer that is compressed on the way',
    make: archiveOf,
    limitBytes: 200 * MIB,
    moreBytes: 130 * MIB,
  },
]) {
  test(`the memory for ${what} doesn't grow with it`, {
    skip: process.platform !== 'linux',
  }, async (t) => {
    const { env } = await prepareSlipway(t);
    const sink = await startSink(t);
    const push = async (sizeBytes: number): Promise<number> => {
      const from = await make(t, sizeBytes, digestOfZeros(sizeBytes));
      return await peakOf(env, ['push', '-q', '--from', from, `${sink.host}/app:1`]);
    };
    const small = await push(SMALL_BYTES);
    const peak = await push(LAYER_BYTES);
    t.diagnostic(`${Math.round(peak / MIB)} MiB, ${Math.round(small / MIB)} MiB for a small one`);
    if (make === layoutOf) assert.ok(sink.takenBytes > LAYER_BYTES, 'all of it was sent');
    // The sources have the compiler of types in memory, too.
    const isBuilt = MAIN.endsWith('.js');
    const most = isBuilt ? limitBytes : small + moreBytes;
    assert.ok(peak < most, `${peak} bytes are more than ${most}`);
  });
}

/** What `docker save` would write of several layers of text, each of another one. */
async function archiveOfTexts(owner: Owner, sizes: readonly number[]): Promise<string> {
  const words = prose(4 * MIB);
  const layers = sizes.map((sizeBytes, at) =>
    layerOf('text', Buffer.concat(Array(sizeBytes / words.byteLength).fill(words.subarray(at)))),
  );
  return `docker-archive:${await fileOf(owner, 'app.tar', dockerArchive({ layers }))}`;
}

for (const format of ['gzip', 'zstd']) {
  test(`${format}: several layers on many cores take no more memory than is said`, {
    skip: process.platform !== 'linux' || !MAIN.endsWith('.js') || (format === 'zstd' && !LONG),
  }, async (t) => {
    const { env } = await prepareSlipway(t);
    const sink = await startSink(t);
    const from = await archiveOfTexts(
      t,
      [48, 32, 32, 24, 24].map((size) => size * MIB),
    );
    const cores = `import os from 'node:os';
      import { syncBuiltinESMExports } from 'node:module';
      os.availableParallelism = () => 16;
      syncBuiltinESMExports();`;
    const many = `--import=data:text/javascript,${encodeURIComponent(cores)}`;
    const flags = ['push', '-q', '--compression', format, '--from', from, `${sink.host}/app:1`];
    const peak = await peakOf({ ...env, NODE_OPTIONS: many }, flags);
    t.diagnostic(`${Math.round(peak / MIB)} MiB`);
    assert.ok(peak < 200 * MIB, `${peak} bytes`);
  });
}
