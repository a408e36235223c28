import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { buildImage, buildIndex } from '../../build/image.ts';
import { type LayerFile, textFile } from '../../build/layer.ts';
import { readFileBytes } from '../../bytes/stream.ts';
import { graphOf } from '../../content/graph.ts';
import { openLayout } from '../../layout/layout.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { formatPlatform } from '../../oci/platform.ts';
import type { DestinationResult } from '../../publish/publication.ts';
import { publish } from '../../publish/publish.ts';
import { createRegistries } from '../../registry/registries.ts';
import { startRegistry } from '../../server/registry.ts';
import { verifyImage } from '../../upkeep/verify.ts';
import { type Cli, newCommand } from '../command.ts';
import { createReporter } from '../report/reporter.ts';
import { formatBytes, formatDuration } from '../units.ts';
import { VERSION } from '../version.ts';

const TAGS = ['1.0.0', '1.0', 'latest'];
const PLATFORMS = [
  { os: 'linux', architecture: 'amd64' },
  { os: 'linux', architecture: 'arm64' },
];

/** `slipway demo`: everything in a temporary folder, which is removed at the end. */
export function command(cli: Cli): Command {
  return newCommand(
    'demo',
    'build, publish and verify a real image against the embedded registry; needs nothing else',
  ).action(async () => {
    const folder = await mkdtemp(join(tmpdir(), 'slipway-demo-'));
    try {
      await demonstrate(cli, folder);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
}

async function demonstrate({ output, signal, isDebug }: Cli, folder: string): Promise<void> {
  const say = (text: string) => output.err(`${text}\n`);
  const store = await openLayout(join(folder, 'store'), { create: true });
  const registry = await startRegistry({
    storage: join(folder, 'registry'),
    listen: { host: '127.0.0.1', port: 0 },
  });
  const { emit } = createReporter('none', output);
  const registries = createRegistries({ emit, debug: isDebug });
  try {
    const index = await buildDemoImage(store, signal);
    const platforms = PLATFORMS.map(formatPlatform).join(' and ');
    say(`built an image of slipway's own files for ${platforms}: ${index.digest}`);
    say(`started the embedded registry at ${registry.url}`);

    const repository = registries.repository({ host: registry.host, path: 'demo/slipway' });
    const publication = {
      images: [
        {
          graph: graphOf(store, index, 'the demo image'),
          destinations: [{ target: repository, names: TAGS, host: registry.host }],
        },
      ],
    };
    const publishOnce = async (): Promise<DestinationResult> => {
      const { destinations, error } = await publish(publication, { signal });
      if (error !== undefined) throw error;
      return destinations[0] as DestinationResult;
    };
    const first = await publishOnce();
    say(`published under ${TAGS.length} tags: ${describeCost(first)}`);
    const second = await publishOnce();
    say(`published again: ${describeCost(second)}`);

    const { manifests, blobs, bytes } = await verifyImage(repository, 'latest', {
      deep: true,
      signal,
    });
    say(`verified ${manifests} manifests and ${blobs} blobs: all ${formatBytes(bytes)} read back`);
    for (const tag of TAGS) {
      const { digest } = await repository.resolve(tag, { signal });
      output.out(`${repository.name}:${tag}@${digest}\n`);
    }
  } finally {
    await registries.close();
    await registry.close();
    await store.close();
  }
}

function describeCost({ bytesSent, requests, durationMs }: DestinationResult): string {
  return `${formatBytes(bytesSent)} sent in ${requests} requests, ${formatDuration(durationMs)}`;
}

/** The files of this package are real input that every machine has. */
async function buildDemoImage(
  store: Awaited<ReturnType<typeof openLayout>>,
  signal: AbortSignal,
): Promise<Descriptor> {
  const shared = await packageFiles();
  const images: Descriptor[] = [];
  for (const platform of PLATFORMS) {
    const own = [textFile('etc/slipway-demo', `built for ${formatPlatform(platform)}\n`)];
    images.push(
      await buildImage(
        store,
        {
          platform,
          layers: [shared, own],
          config: {
            Entrypoint: ['node', '/opt/slipway/slipway.js'],
            Cmd: ['--help'],
            WorkingDir: '/',
            Labels: { 'org.opencontainers.image.version': VERSION },
          },
        },
        { signal },
      ),
    );
  }
  return await buildIndex(store, images, { signal });
}

/** The whole build that this is a part of, its `slipway.js` too, under `/opt/slipway`. */
async function packageFiles(): Promise<readonly LayerFile[]> {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files: LayerFile[] = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(root.length).replaceAll('\\', '/');
    const { size } = await stat(path);
    files.push({
      path: `opt/slipway/${name}`,
      sizeBytes: size,
      open: () => readFileBytes(path, { length: size }),
    });
  }
  return files;
}
