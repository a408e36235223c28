import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { BuildRequest } from '../../src/build/engine.ts';
import { createNativeEngine } from '../../src/build/native/engine.ts';
import { fromMemory } from '../../src/bytes/stream.ts';
import { readManifest } from '../../src/content/graph.ts';
import { openLayout } from '../../src/layout/layout.ts';
import { formatReference, parseReference } from '../../src/oci/reference.ts';
import { createCompressionTable } from '../../src/state/compressions.ts';
import { openHints } from '../../src/state/hints.ts';
import { startDockerd } from '../rig/dockerd.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';
import { preparePodman } from '../rig/podman.ts';
import { mustRun } from '../rig/programs.ts';
import { PLAIN_REQUEST } from './request.ts';

/** Something that builds Dockerfiles, and the layout that its images end in. */
export interface Builder {
  /**
   * Builds a Dockerfile; the image is `TAG` in the layout, and a name for later Dockerfiles. Tells
   * where its config is as it was made: converting takes docker's own fields away.
   */
  build(file: string, context: string, tag: string): Promise<string>;
  /** Takes `TAG` of another layout as an image that FROM knows. */
  take(layout: string, tag: string): Promise<void>;
  readonly layout: string;
}

export type BuilderName = 'native' | 'docker' | 'buildkit' | 'podman' | 'buildah';

/** Starts a builder. */
export async function startBuilder(owner: Owner, name: BuilderName): Promise<Builder> {
  const folder = await tempDir(owner);
  const layout = path.join(folder, 'layout');
  if (name === 'native') return nativeBuilder(owner, folder, layout);
  if (name === 'podman' || name === 'buildah') {
    const { env } = await preparePodman(owner);
    const words = name === 'podman' ? ['build', '--layers=false'] : ['bud'];
    const archive = (tag: string) => path.join(folder, `${tag}.tar`);
    return {
      layout,
      async build(file, context, tag) {
        await mustRun(name, [...words, '--format=docker', '-t', tag, '-f', file, context], { env });
        const source = `containers-storage:localhost/${tag}`;
        await mustRun('skopeo', ['copy', '-q', source, `docker-archive:${archive(tag)}`], { env });
        await mustRun('skopeo', copy(`docker-archive:${archive(tag)}`, layout, tag));
        return `docker-archive:${archive(tag)}`;
      },
      async take(from, tag) {
        const to = `containers-storage:localhost/${tag}:latest`;
        await mustRun('skopeo', ['copy', '-q', `oci:${from}:${tag}`, to], { env });
      },
    };
  }
  const isNewer = name === 'buildkit';
  const engine = await startDockerd(owner, isNewer ? { newer: 'containerd' } : {});
  const words = isNewer ? ['buildx', 'build', '--provenance=false', '--load'] : ['build'];
  let count = 0;
  return {
    layout,
    async build(file, context, tag) {
      await engine.docker(...words, '--network=none', '-q', '-t', tag, '-f', file, context);
      const archive = path.join(folder, `${count++}.tar`);
      await engine.docker('save', '-o', archive, tag);
      await mustRun('skopeo', copy(`docker-archive:${archive}`, layout, tag));
      return `docker-archive:${archive}`;
    },
    async take(from, tag) {
      const archive = path.join(folder, `${count++}.tar`);
      const to = `docker-archive:${archive}:${tag}:latest`;
      await mustRun('skopeo', ['copy', '-q', `oci:${from}:${tag}`, to]);
      await engine.docker('load', '-q', '-i', archive);
    },
  };
}

function copy(from: string, layout: string, tag: string): readonly string[] {
  return ['copy', '-q', from, `oci:${layout}:${tag}`];
}

async function nativeBuilder(owner: Owner, folder: string, layout: string): Promise<Builder> {
  await mkdir(path.join(folder, 'home'));
  const store = await openLayout(layout, { create: true });
  atEnd(owner, () => store.close());
  const hints = openHints(path.join(folder, 'home'));
  atEnd(owner, () => hints.close());
  const engine = createNativeEngine({
    registries: () => Promise.reject(new Error('no registry is needed')),
    table: createCompressionTable(hints),
  });
  const name = async (tag: string, as: string) => {
    const root = await store.resolve(tag);
    const { bytes } = await readManifest(store, root);
    await store.tag(root, as, (offset) => fromMemory(bytes, offset));
  };
  return {
    layout,
    async build(file, context, tag) {
      const ignore = await readFile(path.join(context, '.dockerignore')).catch(() => undefined);
      const request: BuildRequest = {
        ...PLAIN_REQUEST,
        context: { kind: 'folder', path: context },
        dockerfile: {
          name: path.basename(file),
          bytes: await readFile(file),
          ...(ignore === undefined ? {} : { ignore }),
        },
      };
      const root = await engine.build(request, { store, spoolDir: folder, emit: () => {} });
      const { bytes } = await readManifest(store, root);
      await store.tag(root, tag, (offset) => fromMemory(bytes, offset));
      await name(tag, formatReference(parseReference(tag)));
      return `oci:${layout}:${tag}`;
    },
    take: (_, tag) => name(tag, formatReference(parseReference(tag))),
  };
}
