import { SlipwayError } from '../errors.ts';
import type { ImageConfig } from './config.ts';
import { type GitMapping, shownName } from './config.ts';
import type { Git } from './git.ts';
import { openRemote, type RemoteOptions } from './remote-git.ts';

/** The repositories that mappings take files of. */
export interface GitSources {
  /**
   * Opens those of an image; a remote one is fetched if `fetch` is set, or if it isn't here.
   *
   * @throws SlipwayError `CONFIG_INVALID` where the project is in no repository, and what fetching
   * says
   */
  load(image: ImageConfig, options: { readonly fetch: boolean }): Promise<void>;
  /** The one of a mapping whose image was loaded. */
  of(mapping: GitMapping): Git;
}

/** @param git the repository of the project, if it is in one */
export function createGitSources(
  git: Git | undefined,
  folder: string,
  options: Omit<RemoteOptions, 'fetch'>,
): GitSources {
  const opening = new Map<string, Promise<Git>>();
  const opened = new Map<string, Git>();
  const open = async ({ remote }: GitMapping, fetch: boolean): Promise<void> => {
    if (remote === undefined) return;
    const key = keyOf(remote);
    const begun = opening.get(key) ?? openRemote(remote, { ...options, fetch });
    opening.set(key, begun);
    opened.set(key, await begun);
  };
  return {
    async load(image, { fetch }) {
      if (git === undefined && image.git.some(({ remote }) => remote === undefined)) {
        throw new SlipwayError(
          'CONFIG_INVALID',
          `${shownName(image)} takes files of git, and ${folder} is in no repository with a commit`,
          { path: folder, hint: 'git init, git add and git commit make one' },
        );
      }
      for (const mapping of image.git) await open(mapping, fetch);
    },
    of({ remote }) {
      const found = remote === undefined ? git : opened.get(keyOf(remote));
      if (found !== undefined) return found;
      throw new SlipwayError('INTERNAL', 'a repository of git was not opened');
    },
  };
}

function keyOf({ url, ref }: NonNullable<GitMapping['remote']>): string {
  return JSON.stringify([url, ref.kind, ref.name]);
}
