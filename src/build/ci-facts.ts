import { publicUrl } from './public-url.ts';

/** What is known about the sources of an image. */
export interface SourceFacts {
  /** commit, with `-dirty` where files differ from it */
  readonly revision?: string | undefined;
  /** tag of the commit, or how far it is from one */
  readonly version?: string | undefined;
  /** ISO 8601 */
  readonly created?: string | undefined;
  /** where the sources are, without any secret */
  readonly source?: string | undefined;
  readonly title?: string | undefined;
}

/** The variables in which a CI system tells what it builds. */
interface CiVariables {
  /** set by this system only */
  readonly mark: string;
  readonly revision?: string;
  /** set for tags only */
  readonly tag?: string;
  /** address of the repository */
  readonly source?: string;
  /** `OWNER/NAME` */
  readonly slug?: string;
}

/** By each system's own documentation. */
const SYSTEMS: readonly CiVariables[] = [
  {
    mark: 'GITLAB_CI',
    revision: 'CI_COMMIT_SHA',
    tag: 'CI_COMMIT_TAG',
    source: 'CI_PROJECT_URL',
    slug: 'CI_PROJECT_PATH',
  },
  {
    mark: 'BITBUCKET_BUILD_NUMBER',
    revision: 'BITBUCKET_COMMIT',
    tag: 'BITBUCKET_TAG',
    source: 'BITBUCKET_GIT_HTTP_ORIGIN',
    slug: 'BITBUCKET_REPO_FULL_NAME',
  },
  {
    mark: 'CIRCLECI',
    revision: 'CIRCLE_SHA1',
    tag: 'CIRCLE_TAG',
    source: 'CIRCLE_REPOSITORY_URL',
    slug: 'CIRCLE_PROJECT_REPONAME',
  },
  {
    mark: 'BUILDKITE',
    revision: 'BUILDKITE_COMMIT',
    tag: 'BUILDKITE_TAG',
    source: 'BUILDKITE_REPO',
  },
  {
    mark: 'DRONE',
    revision: 'DRONE_COMMIT_SHA',
    tag: 'DRONE_TAG',
    source: 'DRONE_REPO_LINK',
    slug: 'DRONE_REPO',
  },
  {
    mark: 'CI_WORKFLOW_NAME',
    revision: 'CI_COMMIT_SHA',
    tag: 'CI_COMMIT_TAG',
    source: 'CI_REPO_URL',
    slug: 'CI_REPO',
  },
  { mark: 'TF_BUILD', revision: 'BUILD_SOURCEVERSION', source: 'BUILD_REPOSITORY_URI' },
  { mark: 'TRAVIS', revision: 'TRAVIS_COMMIT', tag: 'TRAVIS_TAG', slug: 'TRAVIS_REPO_SLUG' },
  { mark: 'JENKINS_URL', revision: 'GIT_COMMIT', tag: 'TAG_NAME', source: 'GIT_URL' },
  {
    mark: 'CODEBUILD_BUILD_ID',
    revision: 'CODEBUILD_RESOLVED_SOURCE_VERSION',
    source: 'CODEBUILD_SOURCE_REPO_URL',
  },
];

/** What the CI system that we run in says about the sources, as far as it says it. */
export function ciFacts(env: NodeJS.ProcessEnv): SourceFacts {
  if (env.GITHUB_ACTIONS === 'true') return githubFacts(env);
  const system = SYSTEMS.find(({ mark }) => Boolean(env[mark]));
  if (system === undefined) return {};
  const value = (name: string | undefined) =>
    name === undefined ? undefined : env[name] || undefined;
  const source = value(system.source);
  return {
    revision: value(system.revision),
    version: value(system.tag),
    source: source === undefined ? undefined : publicUrl(source),
    title: value(system.slug)?.split('/').at(-1),
  };
}

/** https://docs.github.com/actions/reference/variables-reference; Gitea and Forgejo do the same. */
function githubFacts(env: NodeJS.ProcessEnv): SourceFacts {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: repository } = env;
  return {
    revision: env.GITHUB_SHA || undefined,
    version: env.GITHUB_REF_TYPE === 'tag' ? env.GITHUB_REF_NAME || undefined : undefined,
    source: server && repository ? publicUrl(`${server}/${repository}`) : undefined,
    title: repository?.split('/').at(-1),
  };
}
