import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { type Digest, digestHex, digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { tarOf } from '../cli/archives.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';

/** An image as an engine with containerd's store keeps it: all blobs by their digests. */
export interface WholeImage {
  readonly id: Digest;
  readonly diffIds: readonly Digest[];
  /** digests of the compressed layers, lowest first */
  readonly layers: readonly Digest[];
  readonly blobs: Map<Digest, Buffer>;
}

export function wholeImageOf(layers: readonly Buffer[]): WholeImage {
  const blobs = new Map<Digest, Buffer>();
  const add = (mediaType: string, bytes: Buffer) => {
    const digest = digestOf(bytes);
    blobs.set(digest, bytes);
    return { mediaType, digest, size: bytes.byteLength };
  };
  const diffIds = layers.map((layer) => digestOf(layer));
  const json = (value: object) => Buffer.from(JSON.stringify(value));
  const rootfs = { type: 'layers', diff_ids: diffIds };
  const config = json({ architecture: 'amd64', os: 'linux', rootfs });
  const packed = layers.map((layer) => add(MEDIA_TYPE.ociLayerGzip, gzipSync(layer, { level: 1 })));
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPE.ociManifest,
    config: add(MEDIA_TYPE.ociConfig, config),
    layers: packed,
  };
  const { digest: id } = add(MEDIA_TYPE.ociManifest, json(manifest));
  return { id, diffIds, layers: packed.map(({ digest }) => digest), blobs };
}

/** What came of a request for a blob. */
export type Refusal = { readonly status: number; readonly message: string };

export interface ContentServer {
  /** its `DOCKER_HOST` */
  readonly address: string;
  readonly images: Map<string, WholeImage>;
  /** `Read DIGEST OFFSET`, `Info DIGEST` */
  readonly asked: string[];
  exports: number;
  /** false: there is no `/grpc` */
  hasContent: boolean;
  /** what blobs are given as, instead of what they are */
  give: (digest: Digest, bytes: Buffer) => AsyncIterable<Buffer> | Iterable<Buffer> | Refusal;
  /** Cuts all connections for blobs. */
  cut(): void;
}

const PIECE_BYTES = 64 * 1024;

/** A server that speaks as much of Docker's API as it takes to read the blobs of its images. */
export async function startContentServer(owner: Owner): Promise<ContentServer> {
  const socket = path.join(await tempDir(owner), 's');
  const upgraded = new Set<Duplex>();
  const engine: ContentServer = {
    address: `unix://${socket}`,
    images: new Map(),
    asked: [],
    exports: 0,
    hasContent: true,
    give: (_digest, bytes) => [bytes],
    cut() {
      for (const each of upgraded) each.destroy();
    },
  };
  const find = (name: string) =>
    engine.images.get(name) ?? [...engine.images.values()].find(({ id }) => id === name);
  const server = http.createServer((request, response) => {
    const url = decodeURIComponent(request.url ?? '');
    const [, name = '', what] = /\/images\/(.+)\/(json|get)$/.exec(url) ?? [];
    const image = find(name);
    if (url === '/version') {
      response.end(
        JSON.stringify({ Version: '1', ApiVersion: '1.45', Os: 'linux', Arch: 'amd64' }),
      );
    } else if (image === undefined) {
      response.writeHead(404).end(JSON.stringify({ message: `nothing at ${url}` }));
    } else if (what === 'json') {
      const known = { Os: 'linux', Architecture: 'amd64', RepoTags: [name] };
      const RepoDigests = [`app@${image.id}`];
      const RootFS = { Type: 'layers', Layers: image.diffIds };
      response.end(JSON.stringify({ Id: image.id, ...known, RepoDigests, RootFS }));
    } else {
      engine.exports++;
      response.end(exportOf(image));
    }
  });
  const calls = http2.createServer();
  calls.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.once('end', () => void answer(engine, stream, headers, Buffer.concat(chunks)));
  });
  server.on('upgrade', (_request, duplex: Duplex) => {
    duplex.on('error', () => {});
    if (!engine.hasContent) {
      duplex.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno');
      return;
    }
    upgraded.add(duplex);
    duplex.once('close', () => upgraded.delete(duplex));
    duplex.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
    calls.emit('connection', duplex);
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  atEnd(owner, async () => {
    engine.cut();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return engine;
}

async function answer(
  engine: ContentServer,
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  message: Buffer,
): Promise<void> {
  const refuse = ({ status, message: said }: Refusal) =>
    stream.respond(
      { ':status': 200, 'grpc-status': status, 'grpc-message': encodeURIComponent(said) },
      { endStream: true },
    );
  const [, method = ''] = /Content\/(Read|Info)$/.exec(String(headers[':path'])) ?? [];
  // Five bytes of gRPC's, two of the field's, the digest; then one, and the offset.
  const digest = message.toString('latin1', 7, 78) as Digest;
  const offset = message.byteLength > 78 ? varintAt(message, 79) : 0;
  engine.asked.push(method === 'Read' ? `Read ${digest} ${offset}` : `Info ${digest}`);
  const blobs = [...engine.images.values()].map((image) => image.blobs.get(digest));
  const bytes = blobs.find((each) => each !== undefined);
  if (bytes === undefined) return refuse({ status: 5, message: `${digest}: not found` });
  const given = engine.give(digest, bytes);
  if ('status' in given) return refuse(given);
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  if (method === 'Info') {
    const info = Buffer.concat([field(1, Buffer.from(digest)), number(2, bytes.byteLength)]);
    stream.end(frame(field(1, info)));
    return;
  }
  const closed = new Promise<void>((resolve) => stream.once('close', resolve));
  let at = 0;
  for await (const whole of given) {
    for (let from = Math.max(0, offset - at); from < whole.byteLength; from += PIECE_BYTES) {
      const piece = whole.subarray(from, from + PIECE_BYTES);
      const sent = frame(Buffer.concat([number(1, at + from), field(2, piece)]));
      if (stream.destroyed) return;
      if (!stream.write(sent)) await Promise.race([once(stream, 'drain'), closed]);
    }
    at += whole.byteLength;
  }
  stream.end();
}

function exportOf({ id, blobs }: WholeImage): Buffer {
  const manifest = blobs.get(id) ?? Buffer.alloc(0);
  const entry = { mediaType: MEDIA_TYPE.ociManifest, digest: id, size: manifest.byteLength };
  const sorted = [...blobs].sort(([one], [other]) => (one < other ? -1 : 1));
  return tarOf([
    ...sorted.map(([digest, bytes]) => [`blobs/sha256/${digestHex(digest)}`, bytes] as const),
    ['index.json', Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [entry] }))],
    ['oci-layout', Buffer.from('{"imageLayoutVersion":"1.0.0"}')],
  ]);
}

/** A message as gRPC sends it. */
export function frame(message: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([head, message]);
}

/** A field with bytes of a protobuf message. */
export function field(at: number, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from([at * 8 + 2, ...varint(bytes.byteLength)]), bytes]);
}

/** A field with a number of a protobuf message. */
export function number(at: number, value: number): Buffer {
  return Buffer.from([at * 8, ...varint(value)]);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

function varintAt(bytes: Buffer, at: number): number {
  const byte = bytes[at] ?? 0;
  return byte < 128 ? byte : (byte % 128) + 128 * varintAt(bytes, at + 1);
}
