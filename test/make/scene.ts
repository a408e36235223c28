import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openLayout } from '../../src/layout/layout.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { layerOf } from '../cli/archives.ts';
import { prepareCommandLine } from '../cli/in-process.ts';
import { putImage } from '../content/images.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import type { RunResult } from '../rig/programs.ts';
import { mustRun } from '../rig/programs.ts';

/** Platforms of the architectures that tests build. */
export const PLATFORMS: Readonly<Record<string, string>> = {
  x86_64: 'linux/amd64',
  aarch64: 'linux/arm64',
  armv7l: 'linux/arm/v7',
  armhf: 'linux/arm/v6',
  loong64: 'linux/loong64',
};

/** Variables of the calls in the vectors. */
export const USUAL = ['BUILDDATE=20250619', 'OSVERSION=3.22.0', 'ARCH=x86_64'];

/** A command line with an empty home and an empty folder. */
export async function prepareMake(owner: Owner, env: Readonly<Record<string, string>> = {}) {
  const folder = await tempDir(owner);
  const commands = await prepareCommandLine(owner, { DOCKER_HOST: 'unix:///nowhere', ...env });
  const make = (...words: readonly string[]): Promise<RunResult> =>
    commands.run(['make', '-C', folder, ...words]);
  /** Like `make`, for what must succeed; gives the lines of standard output. */
  const mustMake = async (...words: readonly string[]): Promise<readonly string[]> => {
    const { code, stdout, stderr } = await make(...words);
    if (code !== 0) throw new Error(`make ${words.join(' ')} ended with ${code}: ${stderr}`);
    return stdout.split('\n').filter((line) => line !== '');
  };
  return { ...commands, folder, make, mustMake };
}

/** The same with a docker-registry, which holds the images of `me/alpine-base`. */
export async function prepareRegistry(owner: Owner) {
  const registry = await startDockerRegistry(owner);
  const scene = await prepareMake(owner, { REGISTRY: registry.host, ORGNAME: 'me' });
  const { must } = scene;
  const repository = `${registry.host}/me/alpine-base`;
  /** Puts an image into the local store under the tag of its architecture. */
  const build = async (architecture: string, text: string): Promise<void> => {
    const dir = path.join(await tempDir(owner), 'layout');
    const layout = await openLayout(dir, { create: true });
    const platform = parsePlatform(PLATFORMS[architecture] ?? 'linux/amd64');
    const layers = [layerOf('text', `${architecture} ${text}`)];
    const image = await putImage(layout, { layers, platform });
    await layout.tag(image, 'it', (offset) => layout.fetch(image, { offset }));
    await layout.close();
    await must(['copy', '-q', `oci:${dir}:it`, `${repository}:${architecture}`]);
  };
  const skopeo = (...args: readonly string[]) => mustRun('skopeo', args);
  return {
    ...scene,
    registry,
    host: registry.host,
    repository,
    build,
    /** the tags, as skopeo lists them */
    async tags(at = repository): Promise<readonly string[]> {
      const listed = await skopeo('list-tags', '--tls-verify=false', `docker://${at}`);
      return (JSON.parse(listed) as { Tags: string[] }).Tags.sort();
    },
    /** the bytes of a manifest, as skopeo reads them */
    raw: (tag: string, at = repository) =>
      skopeo('inspect', '--raw', '--tls-verify=false', `docker://${at}:${tag}`),
    /** what a tag stands for, as the registry says it */
    async digest(tag: string, at = 'me/alpine-base'): Promise<string | null> {
      const accept =
        'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
      const url = `http://${registry.host}/v2/${at}/manifests/${tag}`;
      const answer = await fetch(url, { method: 'HEAD', headers: { accept } });
      return answer.headers.get('docker-content-digest');
    },
  };
}

/** Entries of a list: platform and digest. */
export function entriesOf(raw: string): readonly (readonly [string, string])[] {
  const { manifests } = JSON.parse(raw) as {
    manifests: { platform: Record<string, string>; digest: string }[];
  };
  return manifests.map(({ platform, digest }) => {
    const { os, architecture, variant } = platform;
    return [[os, architecture, variant].filter(Boolean).join('/'), digest] as const;
  });
}

/** The text of a file of the project. */
export function projectFile(name: string): Promise<string> {
  return readFile(path.resolve(import.meta.dirname, '../..', name), 'utf8');
}
