import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { BuildRequest } from '../../../src/build/engine.ts';
import { createNativeEngine } from '../../../src/build/native/engine.ts';
import type { CompressionTable } from '../../../src/content/derivations/compress.ts';
import { readManifest } from '../../../src/content/graph.ts';
import { readDocument } from '../../../src/content/verify.ts';
import type { SlipwayEvent } from '../../../src/events.ts';
import { type Layout, openLayout } from '../../../src/layout/layout.ts';
import type { Descriptor } from '../../../src/oci/descriptor.ts';
import type { Registries } from '../../../src/registry/registries.ts';
import { createCompressionTable } from '../../../src/state/compressions.ts';
import { openHints } from '../../../src/state/hints.ts';
import { atEnd, type Owner, tempDir } from '../../rig/lifetime.ts';
import { PLAIN_REQUEST } from '../request.ts';

/** A context, a store and the native engine. */
export interface Project {
  readonly dir: string;
  readonly context: string;
  readonly store: Layout;
  readonly events: SlipwayEvent[];
  readonly table: CompressionTable;
  write(name: string, text: string | Uint8Array): Promise<void>;
  request(dockerfile: string, changes?: Partial<BuildRequest>): BuildRequest;
  run(request: BuildRequest): Promise<Descriptor>;
  build(dockerfile: string, changes?: Partial<BuildRequest>): Promise<Descriptor>;
  /** Whether each step that made something was cached. */
  steps(): readonly string[];
  probe(dockerfile: string, changes?: Partial<BuildRequest>): Promise<string>;
  config(root: Descriptor): Promise<{
    readonly created: string;
    readonly architecture: string;
    readonly config: Record<string, unknown>;
    readonly rootfs: { readonly diff_ids: readonly string[] };
    readonly history: readonly { readonly created_by: string; readonly empty_layer?: boolean }[];
  }>;
  layers(root: Descriptor): Promise<readonly Descriptor[]>;
}

/** Starts with an empty context. */
export async function startProject(
  owner: Owner,
  registries: () => Promise<Registries> = () => Promise.reject(new Error('no registry')),
): Promise<Project> {
  const dir = await tempDir(owner);
  const context = path.join(dir, 'context');
  await mkdir(context);
  const store = await openLayout(path.join(dir, 'store'), { create: true });
  atEnd(owner, () => store.close());
  const hints = openHints(path.join(dir, 'home'));
  atEnd(owner, () => hints.close());
  const table = createCompressionTable(hints);
  const engine = createNativeEngine({ registries, table });
  const events: SlipwayEvent[] = [];
  const request = (dockerfile: string, changes: Partial<BuildRequest> = {}): BuildRequest => ({
    ...PLAIN_REQUEST,
    context: { kind: 'folder', path: context },
    dockerfile: { name: 'Dockerfile', bytes: Buffer.from(dockerfile) },
    ...changes,
  });
  const run = (wanted: BuildRequest) =>
    engine.build(wanted, { store, spoolDir: dir, emit: (event) => events.push(event) });
  const manifest = async (root: Descriptor) => {
    const { document } = await readManifest(store, root);
    if (document.kind !== 'manifest') throw new Error('an index');
    return document;
  };
  return {
    dir,
    context,
    store,
    events,
    table,
    request,
    async write(name, text) {
      await mkdir(path.dirname(path.join(context, name)), { recursive: true });
      await writeFile(path.join(context, name), text);
    },
    run,
    build: (dockerfile, changes) => run(request(dockerfile, changes)),
    steps: () =>
      events.flatMap((event) =>
        event.type === 'build.step' ? `${event.step}${event.isCached ? ' (cached)' : ''}` : [],
      ),
    async probe(dockerfile, changes) {
      const found = await engine.probe(request(dockerfile, changes));
      return found.can ? 'can' : found.reason;
    },
    async config(root) {
      const bytes = await readDocument(store, (await manifest(root)).config);
      return JSON.parse(bytes.toString());
    },
    layers: async (root) => (await manifest(root)).layers,
  };
}
