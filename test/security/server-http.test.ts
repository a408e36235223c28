import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createConnection, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { LONG } from '../rig/long.ts';
import {
  digestOfJson,
  pushImage,
  type Rig,
  sendRaw,
  sha,
  startRig,
  temporaryFolder,
} from '../server/rig.ts';
import { startServed } from '../server/served.ts';
import { row } from './rows.ts';

const APP = 'team/app';

/** Connections that send this each, and read nothing. */
function connect(t: TestContext, { registry }: Rig, count: number, text: string) {
  const { hostname, port } = new URL(registry.url);
  return Array.from({ length: count }, () => {
    const socket = createConnection({ host: hostname, port: Number(port) });
    t.after(() => socket.destroy());
    socket.on('error', () => {});
    socket.pause();
    socket.write(text);
    return socket;
  });
}

/** Reads until the other side has closed all of them, and says how much came. */
async function closed(sockets: readonly Socket[]): Promise<readonly number[]> {
  return await Promise.all(
    sockets.map(async (socket) => {
      let bytes = 0;
      socket.on('data', (chunk) => {
        bytes += chunk.byteLength;
      });
      socket.resume();
      if (!socket.closed) await new Promise((resolve) => socket.once('close', resolve));
      return bytes;
    }),
  );
}

row(
  'Server',
  'CVE-2026-56853, CVE-2025-22871, CVE-2023-39326',
  'HTTP that two readers would read differently is refused, and so are headers without end',
  async (t) => {
    const rig = await startRig(t);
    const head = 'POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\n';
    for (const [what, text] of [
      ['two lengths', `${head}Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx`],
      [
        'length and chunks',
        `${head}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      ],
      ['a folded header', `${head}X: a\r\n b\r\n\r\n`],
      ['a bare line feed', `POST /v2/ HTTP/1.1\nHost: localhost\n\n`],
      ['a bad chunk', `${head}Transfer-Encoding: chunked\r\n\r\nZZ\r\n`],
      ['two hosts', `${head}Host: evil.test\r\nContent-Length: 0\r\n\r\n`],
      ['a list of lengths', `${head}Content-Length: 1, 1\r\n\r\nx`],
      ['a length with a sign', `${head}Content-Length: +1\r\n\r\nx`],
      ['a length in hex', `${head}Content-Length: 0x1\r\n\r\nx`],
      ['a space before a colon', `${head}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
      ['an unknown coding', `${head}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
      ['a coding behind chunked', `${head}Transfer-Encoding: chunked, x\r\n\r\n0\r\n\r\n`],
      ['a chunk without end', `${head}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx`],
      ['chunks in lines of another kind', `${head}Transfer-Encoding: chunked\r\n\r\n1\nx\n0\n\n`],
      ['a lone carriage return', `${head}X: a\rContent-Length: 0\r\n\r\n`],
      ['no version', 'GET /v2/\r\nHost: localhost\r\n\r\n'],
      ['another version', 'GET /v2/ HTTP/2.0\r\nHost: localhost\r\n\r\n'],
      ['a tunnel', 'CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n'],
      ['control bytes', `GET /v2/\u0001 HTTP/1.1\r\nHost: localhost\r\n\r\n`],
    ] as const) {
      const answer = await sendRaw(rig.registry, text);
      assert.match(answer, /^(?:HTTP\/1\.1 (?:4|505)|$)/, what);
      assert.doesNotMatch(answer, /^HTTP\/1\.1 2/, what);
    }
    const long = `GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(17 * 1024)}\r\n\r\n`;
    assert.match(await sendRaw(rig.registry, long), /^HTTP\/1\.1 431 /);
    const absolute = 'GET http://evil.test/v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n';
    assert.match(await sendRaw(rig.registry, absolute), /^HTTP\/1\.1 404 /);
  },
);

row(
  'Server',
  'CVE-2026-56853, CVE-2025-22871',
  'a request within the body of another one is never answered',
  async (t) => {
    const rig = await startRig(t);
    const hidden = 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n';
    const length = `Content-Length: ${hidden.length}`;
    const chunked = 'Transfer-Encoding: chunked';
    for (const [method, path] of [
      ['POST', '/v2/a/blobs/uploads/'],
      ['PUT', '/v2/a/manifests/v1'],
      ['GET', '/v2/a/tags/list'],
      ['DELETE', '/v2/a/manifests/v1'],
      ['PATCH', '/v2/a/blobs/uploads/xxxxxxxxxxxxxxxxxxxxxx'],
      ['POST', '/nowhere'],
    ]) {
      const head = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n`;
      for (const text of [
        `${head}${length}\r\n\r\n${hidden}`,
        `${head}${chunked}\r\n\r\n${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n`,
        `${head}${length}\r\n${chunked}\r\n\r\n0\r\n\r\n${hidden}`,
      ]) {
        const answer = await sendRaw(rig.registry, text, 100);
        const answers = [...answer.matchAll(/HTTP\/1\.1 [0-9]{3} /g)];
        const isOne = answers.length <= 1 && !answers.some(([line]) => line.includes(' 200 '));
        assert.ok(isOne, `${text}: ${answers}`);
      }
    }
    assert.equal((await rig.ask('GET', '/v2/')).status, 200);
  },
);

row(
  'Server',
  'CVE-2023-2253, CVE-2017-11468',
  'hundreds of requests in one packet, and long manifests that never end, take little memory',
  async (t) => {
    const rig = await startServed(t, await temporaryFolder(t));
    const digest = await rig.push(APP, randomBytes(8_000_000));
    const startBytes = await rig.peakBytes();
    const head = 'Host: localhost\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n';
    const get = `GET /v2/${APP}/blobs/${digest} HTTP/1.1\r\n${head}\r\n`;
    await closed(connect(t, rig, 10, get.repeat(400)));
    const size = 4 * 1024 * 1024;
    const put = `PUT /v2/${APP}/manifests/v1 HTTP/1.1\r\n${head}Content-Length: ${size}\r\n\r\n`;
    const endless = connect(t, rig, 60, put + ' '.repeat(size - 1));
    // There is room for eight of them; the others are told so, or cut where that takes too long.
    let refused = 0;
    await new Promise<void>((resolve) => {
      for (const socket of endless) {
        const count = (data?: Buffer) => {
          socket.removeAllListeners('data').removeAllListeners('close');
          if (data !== undefined) assert.match(data.toString(), /^HTTP\/1\.1 429 /);
          refused += 1;
          if (refused === 52) resolve();
        };
        socket.once('data', count).once('close', () => count());
        socket.resume();
      }
    });
    const grownBytes = (await rig.peakBytes()) - startBytes;
    assert.ok(grownBytes < 250_000_000, `${grownBytes} bytes`);
    for (const socket of endless) socket.destroy();
    const image = await pushImage(rig, APP, { annotations: { x: 'x'.repeat(2_000_000) } });
    let status = 429;
    while (status === 429) {
      await sleep(20);
      ({ status } = await rig.put(APP, 'v1', image));
    }
    assert.equal(status, 201, 'there is room again');
    const got = await rig.ask('GET', `/v2/${APP}/manifests/v1`);
    assert.equal(sha(got.body), digestOfJson(image));
  },
);

row(
  'Server',
  'CVE-2026-35469, the slow requests of Slowloris',
  'a client that is silent in a body, or takes none of its answer, loses its connection',
  async (t) => {
    let ended = 0;
    const rig = await startRig(t, {
      idleTimeoutMs: 200,
      log: (event) => {
        if (event.type === 'request' && event.method === 'GET') ended += 1;
      },
    });
    const bytes = randomBytes(24_000_000);
    const digest = await rig.push(APP, bytes);
    const head = 'HTTP/1.1\r\nHost: localhost\r\n';
    const body = 'Content-Length: 100000\r\n\r\nx';
    const readers = connect(t, rig, 3, `GET /v2/${APP}/blobs/${digest} ${head}\r\n`);
    await Promise.all([
      closed(connect(t, rig, 3, `POST /v2/a/blobs/uploads/?digest=${digest} ${head}${body}`)),
      closed(connect(t, rig, 3, `PUT /v2/a/manifests/v1 ${head}${body}`)),
      closed(connect(t, rig, 1, `PATCH ${await rig.begin(APP)} ${head}${body}`)),
    ]);
    while (ended < readers.length) await sleep(20);
    // What these have got is in the buffers of the system; they see the end behind it.
    for (const got of await closed(readers)) assert.ok(got < bytes.byteLength, 'cut');
    assert.equal((await rig.ask('GET', '/v2/')).status, 200);
  },
);

row(
  'Server',
  'CVE-2026-35469, the slow requests of Slowloris',
  'a client that sends a body byte by byte, wanted or not, loses its connection',
  async (t) => {
    const options = ['--idle-timeout', '1', '--min-rate', '1k'];
    const rig = await startServed(t, await temporaryFolder(t), options);
    const head = 'HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n';
    const digest = sha('');
    const drips = [
      `POST /v2/a/blobs/uploads/?digest=${digest}`,
      'PUT /v2/a/manifests/v1',
      `PATCH ${await rig.begin(APP)}`,
      'GET /v2/',
      'GET /nowhere',
    ].flatMap((line) => connect(t, rig, 1, `${line} ${head}`));
    const dripping = setInterval(() => {
      for (const socket of drips) if (socket.writable) socket.write('x');
    }, 50);
    t.after(() => clearInterval(dripping));
    await closed(drips);
    assert.equal((await rig.ask('GET', '/v2/')).status, 200);
  },
);

row(
  'Server',
  'CVE-2023-2253, CVE-2017-11468',
  'long lists that nobody reads are held as far as there is room',
  async (t) => {
    const rig = await startServed(t, await temporaryFolder(t));
    const subject = { mediaType: MEDIA_TYPE.ociManifest, digest: sha('none'), size: 4 };
    const image = await pushImage(rig, APP, {
      subject,
      annotations: { x: 'x'.repeat(3_000_000) },
    });
    assert.equal((await rig.put(APP, 'v1', image)).status, 201);
    const path = `/v2/${APP}/referrers/${subject.digest}`;
    assert.equal((await rig.ask('GET', path)).status, 200);
    const startBytes = await rig.peakBytes();
    const get = `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const readers: Socket[] = [];
    let status = 200;
    // Each holds one list in the end, after those that the system's buffers take.
    for (let asked = 0; status !== 429 && asked < 100; asked++) {
      readers.push(...connect(t, rig, 4, get.repeat(8)));
      await sleep(20);
      ({ status } = await rig.ask('GET', path));
    }
    assert.equal(status, 429);
    const grownBytes = (await rig.peakBytes()) - startBytes;
    assert.ok(grownBytes < 200_000_000, `${grownBytes} bytes`);
    for (const socket of readers) socket.destroy();
    while (status === 429) {
      await sleep(20);
      ({ status } = await rig.ask('GET', path));
    }
    assert.equal(status, 200, 'there is room again');
  },
);

row(
  'Server',
  'CVE-2023-2253, CVE-2017-11468',
  'long manifests that hundreds ask for at once, and nobody reads, take little memory',
  async (t) => {
    const rig = await startServed(t, await temporaryFolder(t));
    const image = await pushImage(rig, APP);
    const gets: string[] = [];
    for (const letter of ['a', 'b', 'c', 'd']) {
      const long = { ...image, annotations: { x: letter.repeat(4_000_000) } };
      const digest = digestOfJson(long);
      assert.equal((await rig.put(APP, digest, long)).status, 201);
      gets.push(`GET /v2/${APP}/manifests/${digest} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    }
    const startBytes = await rig.peakBytes();
    const readers = gets.flatMap((get) => connect(t, rig, 50, get));
    await Promise.all(
      readers.map((socket) => new Promise((resolve) => socket.once('readable', resolve))),
    );
    const grownBytes = (await rig.peakBytes()) - startBytes;
    assert.ok(grownBytes < 200_000_000, `${grownBytes} bytes`);
  },
);

if (LONG) {
  row(
    'Server',
    'CVE-2026-35469, the slow requests of Slowloris',
    'headers that do not come to an end within 20 seconds are not waited for',
    async (t) => {
      const rig = await startRig(t);
      await closed(connect(t, rig, 5, 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX: '));
    },
  );
}
