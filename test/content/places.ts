import path from 'node:path';
import { type Layout, openLayout } from '../../src/layout/layout.ts';
import { parseRepository } from '../../src/oci/reference.ts';
import { createRegistries, type Registries } from '../../src/registry/registries.ts';
import type { Repository } from '../../src/registry/repository.ts';
import type { RegistryEvent, RegistryOptions } from '../../src/server/options.ts';
import { type Registry, startRegistry } from '../../src/server/registry.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';

/** A fresh layout, closed and removed at the owner's end. */
export async function freshLayout(owner: Owner): Promise<Layout> {
  const layout = await openLayout(path.join(await tempDir(owner), 'layout'), { create: true });
  atEnd(owner, () => layout.close());
  return layout;
}

export type LoggedRequest = Extract<RegistryEvent, { type: 'request' }>;

/** An embedded registry that remembers its requests, and a client for it. */
export interface TestRegistry {
  readonly registry: Registry;
  readonly registries: Registries;
  readonly requests: LoggedRequest[];
  repository(path: string): Repository;
  /** the requests as `METHOD PATH`, those of a method if one is given */
  lines(method?: string): readonly string[];
}

/** Starts an embedded registry on a free port. */
export async function testRegistry(
  owner: Owner,
  options: RegistryOptions = {},
): Promise<TestRegistry> {
  const requests: LoggedRequest[] = [];
  const log = (event: RegistryEvent) => {
    if (event.type === 'request') requests.push(event);
  };
  const registry = await startRegistry({ ...options, log });
  atEnd(owner, () => registry.close());
  const registries = createRegistries({ retry: { baseMs: 1, maxMs: 5 } });
  atEnd(owner, () => registries.close());
  return {
    registry,
    registries,
    requests,
    repository: (name) => registries.repository(parseRepository(`${registry.host}/${name}`)),
    lines: (method) =>
      requests
        .filter((request) => method === undefined || request.method === method)
        .map((request) => `${request.method} ${request.path}`),
  };
}
