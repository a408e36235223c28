import { finalBaseImage } from '../build/base-images.ts';
import type { Dockerfile } from '../build/engine.ts';
import { askGit } from '../build/git-program.ts';
import { publicUrl } from '../build/public-url.ts';
import { familiarReference, formatReference } from '../oci/reference.ts';
import type { Call } from './call.ts';

const SITE = 'https://woahbase.online/images';

/** Labels that the makefiles set, and image-spec's own (annotations.md). */
export async function imageLabels(
  { site, variables }: Call,
  version: string,
  dockerfile: Dockerfile,
): Promise<Readonly<Record<string, string>>> {
  const { organisation, name, registry, system, buildDate, given, extra } = variables;
  const args = [...extra].map(([arg, value]) => ({ name: arg, value, isFromEnvironment: false }));
  const base = finalBaseImage({ dockerfile, args });
  const git = async (...words: readonly string[]): Promise<string> => {
    const answer = await askGit(words, { cwd: site.folder, signal: site.signal });
    return answer?.status === 0 ? answer.stdout.trim() : '';
  };
  const remote = await git('config', '--get', 'remote.origin.url');
  const labels = {
    'online.woahbase.branch': await git('rev-parse', '--abbrev-ref', 'HEAD'),
    'online.woahbase.build-date': buildDate,
    'online.woahbase.build-number': given('BUILDNUMBER') ?? 'undefined',
    'online.woahbase.os': system,
    'online.woahbase.os-version': version,
    'online.woahbase.source-image': base === undefined ? 'scratch' : familiarReference(base),
    'org.opencontainers.image.base.name': base === undefined ? 'scratch' : formatReference(base),
    'org.opencontainers.image.created': created(site.env.SOURCE_DATE_EPOCH),
    'org.opencontainers.image.documentation': `${given('DOC_URL') ?? SITE}/${name}`,
    'org.opencontainers.image.revision': await git('rev-parse', '--short', 'HEAD'),
    // A remote can hold a password.
    'org.opencontainers.image.source': (remote === '' ? undefined : publicUrl(remote)) ?? '',
    'org.opencontainers.image.title': name,
    'org.opencontainers.image.url': `${given('REGISTRY_URL') ?? `https://${registry}`}/${organisation}/${name}`,
    'org.opencontainers.image.vendor': organisation,
    'org.opencontainers.image.version': version,
  };
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));
}

/** UTC, to the second; https://reproducible-builds.org/specs/source-date-epoch/ where it is set. */
function created(epoch: string | undefined): string {
  const isSet = epoch !== undefined && /^[0-9]{1,11}$/.test(epoch);
  const date = isSet ? new Date(Number(epoch) * 1000) : new Date();
  return date.toISOString().replace(/\.[0-9]+Z$/, 'Z');
}
