import { isSlipwayError } from '../../src/errors.ts';
import type { Destination } from '../../src/publish/publication.ts';
import type { Repository } from '../../src/registry/repository.ts';

/** A repository of a registry as a destination. */
export function at(target: Repository, ...names: string[]): Destination {
  return { target, names, host: target.repository.host };
}

/** The tags that a repository has, and what they stand for. */
export async function tagsOf(repository: Repository): Promise<Record<string, string>> {
  const tags: Record<string, string> = {};
  try {
    for await (const tag of repository.list()) tags[tag] = (await repository.resolve(tag)).digest;
  } catch (error) {
    if (!isSlipwayError(error, 'NOT_FOUND')) throw error;
  }
  return tags;
}
