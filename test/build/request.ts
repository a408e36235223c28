import path from 'node:path';
import type { BuildOptions, BuildRequest } from '../../src/build/engine.ts';
import type { SlipwayEvent } from '../../src/events.ts';
import { freshLayout } from '../content/places.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';

/** A request that asks for nothing special. */
export const PLAIN_REQUEST: Omit<BuildRequest, 'context'> = {
  args: [],
  platforms: [],
  noCache: false,
  pull: false,
  secrets: [],
  ssh: [],
  cacheFrom: [],
  cacheTo: [],
};

/** A request for a Dockerfile that came alone. */
export function requestFor(text: string, more: Partial<BuildRequest> = {}): BuildRequest {
  return {
    ...PLAIN_REQUEST,
    context: { kind: 'empty' },
    dockerfile: { name: 'Dockerfile', bytes: Buffer.from(text) },
    ...more,
  };
}

/** A store of its own, and what was told meanwhile. */
export async function optionsFor(
  owner: Owner,
): Promise<BuildOptions & { readonly events: SlipwayEvent[] }> {
  const store = await freshLayout(owner);
  const events: SlipwayEvent[] = [];
  return {
    store,
    spoolDir: path.resolve(await tempDir(owner)),
    emit: (event) => void events.push(event),
    events,
  };
}
