import http from 'node:http';
import path from 'node:path';
import { tarHeader, tarPadding } from '../../src/bytes/tar-write.ts';
import { type Digest, digestHex, digestOf } from '../../src/oci/digest.ts';
import { tarOf } from '../cli/archives.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';

/** An image in an engine: layers that aren't compressed, lowest first. */
export interface ExportedImage {
  readonly config: Buffer;
  readonly id: Digest;
  readonly diffIds: readonly Digest[];
  readonly layers: readonly Buffer[];
}

export function imageOf(layers: readonly Buffer[], labels: object = {}): ExportedImage {
  const diffIds = layers.map((layer) => digestOf(layer));
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      config: { Labels: labels },
      rootfs: { type: 'layers', diff_ids: diffIds },
    }),
  );
  return { config, id: digestOf(config), diffIds, layers };
}

/** Files of an export by their names. */
export type Files = (readonly [string, Buffer])[];

/** Files of an export in the order in which they come, by what writes them. */
export const FORMS = {
  'Docker to 24': ({ config, id, diffIds, layers }: ExportedImage): Files => {
    const ids: string[] = [];
    const folders = layers.map((layer, at) => {
      const isTop = at === layers.length - 1;
      const chain = diffIds
        .slice(1, at + 1)
        .reduce<string>((below, diffId) => digestOf(`${below} ${diffId}`), diffIds[0] as string);
      const container_config = { Hostname: '', Env: null, Cmd: null };
      const created = isTop ? '2026-01-02T00:00:00Z' : '1970-01-01T01:00:00+01:00';
      const parent = ids.at(-1);
      const v1 = digestHex(
        digestOf(
          JSON.stringify({
            ...(isTop ? { architecture: 'amd64' } : {}),
            container_config,
            created,
            layer_id: chain,
            ...(parent === undefined ? {} : { parent: `sha256:${parent}` }),
          }),
        ),
      );
      ids.push(v1);
      const json = {
        id: v1,
        ...(parent === undefined ? {} : { parent }),
        created,
        container_config,
        ...(isTop ? { architecture: 'amd64' } : {}),
        os: 'linux',
      };
      return [
        [`${v1}/VERSION`, Buffer.from('1.0')],
        [`${v1}/json`, Buffer.from(JSON.stringify(json))],
        [`${v1}/layer.tar`, layer],
      ] as const;
    });
    const all: Files = [...folders.flat(), [`${digestHex(id)}.json`, config]];
    return [
      ...all.sort(([one], [other]) => (one < other ? -1 : 1)),
      list(
        `${digestHex(id)}.json`,
        ids.map((each) => `${each}/layer.tar`),
      ),
    ];
  },
  'Docker since 25': ({ config, id, diffIds, layers }: ExportedImage): Files => {
    const blob = (digest: Digest) => `blobs/sha256/${digestHex(digest)}`;
    const blobs: Files = [
      [blob(id), config],
      ...layers.map((layer, at) => [blob(diffIds[at] as Digest), layer] as const),
    ];
    return [
      ...blobs.sort(([one], [other]) => (one < other ? -1 : 1)),
      list(blob(id), diffIds.map(blob)),
    ];
  },
  Podman: ({ config, id, diffIds, layers }: ExportedImage): Files => {
    const names = diffIds.map((diffId) => `${digestHex(diffId)}.tar`);
    return [
      ...layers.map((layer, at) => [names[at] as string, layer] as const),
      [`${digestHex(id)}.json`, config],
      list(`${digestHex(id)}.json`, names),
    ];
  },
  'nobody we know': ({ config, layers }: ExportedImage): Files => [
    ...layers.map((layer, at) => [`layer-${at}`, layer] as const),
    ['config', config],
    list(
      'config',
      layers.map((_, at) => `layer-${at}`),
    ),
  ],
} satisfies Record<string, (image: ExportedImage) => Files>;

const list = (config: string, layers: readonly string[]): Files[number] => [
  'manifest.json',
  Buffer.from(JSON.stringify([{ Config: config, RepoTags: ['app:1'], Layers: layers }])),
];

/** The export as a file. */
export const archiveOf = (files: Files): Buffer => tarOf(files);

export interface FakeEngine {
  /** its `DOCKER_HOST` */
  readonly address: string;
  /** images by name */
  readonly images: Map<string, ExportedImage>;
  /** how many exports were asked for */
  exports: number;
  /** files of the next exports */
  form: (image: ExportedImage) => Files;
  /** waited for before each file of an export */
  before: (name: string) => Promise<void>;
}

/** A server that speaks as much of an engine's API as an export needs. */
export async function startEngine(owner: Owner): Promise<FakeEngine> {
  const socket = path.join(await tempDir(owner), 's');
  const engine: FakeEngine = {
    address: `unix://${socket}`,
    images: new Map(),
    exports: 0,
    form: FORMS['Docker to 24'],
    before: async () => {},
  };
  const find = (name: string) =>
    engine.images.get(name) ?? [...engine.images.values()].find(({ id }) => id === name);
  const server = http.createServer(async (request, response) => {
    const url = decodeURIComponent(request.url ?? '');
    const [, name = '', what] = /\/images\/(.+)\/(json|get)$/.exec(url) ?? [];
    const image = find(name);
    if (url === '/version') {
      response.end(
        JSON.stringify({ Version: '1', ApiVersion: '1.41', Os: 'linux', Arch: 'amd64' }),
      );
    } else if (url.endsWith('/info')) {
      response.end(JSON.stringify({ DriverStatus: [['Backing Filesystem', 'extfs']] }));
    } else if (image === undefined) {
      response.writeHead(404).end(JSON.stringify({ message: `No such image: ${name}` }));
    } else if (what === 'json') {
      const RootFS = { Type: 'layers', Layers: image.diffIds };
      const known = { Os: 'linux', Architecture: 'amd64', RepoTags: [name], RepoDigests: [] };
      response.end(JSON.stringify({ Id: image.id, ...known, RootFS }));
    } else {
      engine.exports++;
      for (const [file, bytes] of engine.form(image)) {
        try {
          await engine.before(file);
        } catch {
          response.destroy();
          return;
        }
        response.write(tarHeader({ name: file, sizeBytes: bytes.byteLength }));
        response.write(bytes);
        response.write(tarPadding(bytes.byteLength));
      }
      response.end(Buffer.alloc(1024));
    }
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  atEnd(owner, async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return engine;
}
