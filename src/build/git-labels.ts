import { basename } from 'node:path';
import { ANNOTATION } from '../oci/annotations.ts';
import { ciFacts, type SourceFacts } from './ci-facts.ts';
import { askChanges, askGit } from './git-program.ts';
import { publicUrl } from './public-url.ts';

/**
 * Labels that say what an image is made of (image-spec, annotations.md), as git tells it about a
 * folder, and the CI system where git can't. Nothing known gives no label.
 */
export async function gitLabels(
  folder: string | undefined,
  options: {
    readonly env?: NodeJS.ProcessEnv;
    /** seconds since 1970; the time of the commit if left out */
    readonly epoch?: number | undefined;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<Readonly<Record<string, string>>> {
  const { env = process.env, epoch, signal } = options;
  const fromCi = ciFacts(env);
  const fromGit = folder === undefined ? {} : await gitFacts(folder, signal);
  const source = fromGit.source ?? fromCi.source;
  const labels: Readonly<Record<string, string | undefined>> = {
    [ANNOTATION.created]:
      epoch === undefined ? fromGit.created : new Date(epoch * 1000).toISOString(),
    [ANNOTATION.revision]: fromGit.revision ?? fromCi.revision,
    [ANNOTATION.version]: fromCi.version ?? fromGit.version,
    [ANNOTATION.source]: source,
    [ANNOTATION.url]: source,
    [ANNOTATION.title]:
      (source === undefined ? undefined : basename(source)) ?? fromGit.title ?? fromCi.title,
  };
  const known = Object.entries(labels).filter(([, value]) => value !== undefined && value !== '');
  return Object.fromEntries(known) as Record<string, string>;
}

async function gitFacts(folder: string, signal: AbortSignal | undefined): Promise<SourceFacts> {
  const git = async (...args: readonly string[]): Promise<string | undefined> => {
    const answer = await askGit(args, { cwd: folder, signal });
    return answer?.status === 0 ? answer.stdout.trim() : undefined;
  };
  const commit = await git('rev-parse', '--verify', 'HEAD');
  if (commit === undefined) return {};
  const changes = await askChanges(folder, { signal });
  const tags = await git('tag', '--points-at', 'HEAD', '--sort=-version:refname');
  const remote = (await git('config', '--get', 'remote.origin.url')) ?? (await firstRemote(git));
  const top = await git('rev-parse', '--show-toplevel');
  return {
    revision: changes === '' ? commit : `${commit}-dirty`,
    version: tags?.split('\n')[0] || (await git('describe', '--tags')),
    created: asUtc(await git('log', '-1', '--format=%ct')),
    source: remote === undefined ? undefined : publicUrl(remote),
    title: top === undefined ? undefined : basename(top),
  };
}

async function firstRemote(
  git: (...args: readonly string[]) => Promise<string | undefined>,
): Promise<string | undefined> {
  const [first = ''] = ((await git('remote')) ?? '').split('\n');
  return first === '' ? undefined : await git('config', '--get', `remote.${first}.url`);
}

function asUtc(seconds: string | undefined): string | undefined {
  return seconds === undefined || !/^[0-9]{1,11}$/.test(seconds)
    ? undefined
    : new Date(Number(seconds) * 1000).toISOString();
}
