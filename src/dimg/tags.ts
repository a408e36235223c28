import { SlipwayError } from '../errors.ts';
import { isTag } from '../oci/reference.ts';
import type { CiBuild } from './ci.ts';
import { slug } from './slug.ts';

/** Where a tag comes from; it stands in the label `werf-tag-scheme` of what is pushed. */
export type TagScheme = 'custom' | 'git_branch' | 'git_tag' | 'git_commit' | 'ci';

/** The tags of one scheme, in the order in which they are pushed. */
export interface SchemeTags {
  readonly scheme: TagScheme;
  readonly tags: readonly string[];
}

/** The tag options of a command. */
export interface TagOptions {
  readonly tag?: readonly string[] | undefined;
  readonly tagSlug?: readonly string[] | undefined;
  readonly tagPlain?: readonly string[] | undefined;
  readonly tagBranch?: boolean | undefined;
  readonly tagCommit?: boolean | undefined;
  readonly tagBuildId?: boolean | undefined;
  readonly tagCi?: boolean | undefined;
}

/** Who knows what tags are made of; asked only for what an option needs. */
export interface TagFacts {
  /** undefined if HEAD is at no branch */
  branch(): Promise<string | undefined>;
  /** the whole id of HEAD */
  commit(): Promise<string>;
  /** undefined outside of CI */
  ci(): Promise<CiBuild | undefined>;
  /** slugs are cut, as werf's third version does */
  readonly shortSlugs?: boolean;
}

/**
 * The tags that a command's options ask for, scheme by scheme; `latest` if none does. Equal tags
 * stay.
 *
 * @throws SlipwayError `CONFIG_INVALID` where HEAD is at no branch, or without CI; `REFERENCE_INVALID` for
 * what can't be a tag
 */
export async function collectTags(
  options: TagOptions,
  facts: TagFacts,
): Promise<readonly SchemeTags[]> {
  const slugged = (text: string) => slug(text, { short: facts.shortSlugs === true });
  const custom = [
    ...[...(options.tag ?? []), ...(options.tagSlug ?? [])].map(slugged),
    ...(options.tagPlain ?? []),
  ];
  const branches: string[] = [];
  const gitTags: string[] = [];
  if (options.tagBranch === true) branches.push(slugged(await branchOf(facts)));
  const asksCi = options.tagCi === true || options.tagBuildId === true;
  const ci = asksCi ? await ciOf(facts) : {};
  if (options.tagCi === true && ci.tag !== undefined) gitTags.push(slugged(ci.tag));
  else if (options.tagCi === true && ci.branch !== undefined) branches.push(slugged(ci.branch));
  const commits = options.tagCommit === true ? [await facts.commit()] : [];
  const builds = options.tagBuildId === true && ci.buildId !== undefined ? [ci.buildId] : [];
  const schemes: readonly SchemeTags[] = [
    { scheme: 'custom', tags: custom },
    { scheme: 'git_branch', tags: branches },
    { scheme: 'git_tag', tags: gitTags },
    { scheme: 'git_commit', tags: commits },
    { scheme: 'ci', tags: builds },
  ];
  const asked = schemes.filter(({ tags }) => tags.length > 0);
  for (const tag of asked.flatMap(({ tags }) => tags)) checkTag(tag);
  return asked.length > 0 ? asked : [{ scheme: 'custom', tags: ['latest'] }];
}

async function branchOf(facts: TagFacts): Promise<string> {
  const branch = await facts.branch();
  if (branch !== undefined) return branch;
  throw new SlipwayError(
    'CONFIG_INVALID',
    "Dimg has specific revision that isn't associated with a branch name!",
    { hint: 'check a branch out, or say --tag-commit or --tag-ci' },
  );
}

async function ciOf(facts: TagFacts): Promise<CiBuild> {
  const ci = await facts.ci();
  if (ci !== undefined) return ci;
  throw new SlipwayError('CONFIG_INVALID', 'CI environment required (Travis or GitLab CI)!', {
    hint: '--tag-ci and --tag-build-id go in a CI system; here say --tag-branch, --tag-commit or --tag',
  });
}

function checkTag(tag: string): void {
  if (isTag(tag)) return;
  const isLong = tag.length > 128;
  throw new SlipwayError(
    'REFERENCE_INVALID',
    `${JSON.stringify(tag.slice(0, 300))} can't be a tag${isLong ? ': it is longer than 128 characters' : ''}`,
    {
      hint: isLong
        ? 'set WERF_SLUG_V3=1 for slugs that are never longer than 53 characters'
        : '--tag makes a tag of any text, --tag-plain takes it as it is',
    },
  );
}
