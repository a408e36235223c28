import { isTag } from '../oci/reference.ts';
import { slug } from './slug.ts';

/** A published dimg, as its labels and its config tell it. */
export interface PublishedDimg {
  readonly tag: string;
  /** `werf-tag-scheme` */
  readonly scheme: string | undefined;
  /** of its config; undefined if it doesn't say */
  readonly createdMs: number | undefined;
}

/** What still exists, and how much of it is kept. */
export interface RetentionFacts {
  readonly nowMs: number;
  /** of the remote repository */
  readonly branches: readonly string[];
  readonly gitTags: readonly string[];
  hasCommit(commit: string): Promise<boolean>;
  readonly limits: Readonly<Record<'git_tag' | 'git_commit', Limit>>;
}

/** What is older, or beyond so many newest ones, goes. */
export interface Limit {
  readonly ageMs: number;
  readonly count: number;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const DEFAULTS = {
  git_tag: { days: 30, count: 10, name: 'GIT_TAGS' },
  git_commit: { days: 30, count: 50, name: 'GIT_COMMITS' },
} as const;

/** The limits that variables set (seconds and numbers), else werf's. */
export function retentionLimits(env: NodeJS.ProcessEnv): RetentionFacts['limits'] {
  const limit = (scheme: keyof typeof DEFAULTS): Limit => {
    const { days, count, name } = DEFAULTS[scheme];
    const seconds = numberIn(env, `${name}_EXPIRY_DATE_PERIOD_POLICY`);
    return {
      ageMs: seconds === undefined ? days * DAY_MS : seconds * 1000,
      count: numberIn(env, `${name}_LIMIT_POLICY`) ?? count,
    };
  };
  return { git_tag: limit('git_tag'), git_commit: limit('git_commit') };
}

function numberIn(env: NodeJS.ProcessEnv, name: string): number | undefined {
  const text = env[`WERF_${name}`] || env[`DAPP_${name}`];
  return text !== undefined && /^[0-9]{1,12}$/.test(text) ? Number(text) : undefined;
}

/**
 * The tags of one repository that may go: those of branches, tags and commits that are gone, and of
 * tags and commits also the old ones, and those beyond the newest. What has another scheme stays.
 */
export async function tagsToRemove(
  published: readonly PublishedDimg[],
  facts: RetentionFacts,
): Promise<ReadonlySet<string>> {
  const gone = new Set<string>();
  const branches = namesOf(facts.branches);
  const gitTags = namesOf(facts.gitTags);
  const left: Record<keyof typeof DEFAULTS, PublishedDimg[]> = { git_tag: [], git_commit: [] };
  for (const each of published) {
    const { tag, scheme } = each;
    if (scheme === 'git_branch' && !branches.has(tag)) gone.add(tag);
    if (scheme === 'git_tag') gitTags.has(tag) ? left.git_tag.push(each) : gone.add(tag);
    if (scheme === 'git_commit') {
      (await facts.hasCommit(tag)) ? left.git_commit.push(each) : gone.add(tag);
    }
  }
  for (const scheme of ['git_tag', 'git_commit'] as const) {
    const { ageMs, count } = facts.limits[scheme];
    const newestFirst = left[scheme].toSorted((a, b) => ageOf(a, facts) - ageOf(b, facts));
    for (const [at, each] of newestFirst.entries()) {
      if (at >= count || ageOf(each, facts) > ageMs) gone.add(each.tag);
    }
  }
  return gone;
}

/** What says no age is as young as can be: it isn't removed for its age. */
function ageOf({ createdMs }: PublishedDimg, { nowMs }: RetentionFacts): number {
  return createdMs === undefined ? 0 : nowMs - createdMs;
}

/** As they stand in a registry, however slugs were made. */
function namesOf(refs: readonly string[]): ReadonlySet<string> {
  return new Set(
    refs.flatMap((ref) => [slug(ref), slug(ref, { short: true })]).filter((name) => isTag(name)),
  );
}
