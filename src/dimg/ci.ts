import { ciFacts } from '../build/ci-facts.ts';

/** What a CI system says about the build that it runs; what is empty counts as not said. */
export interface CiBuild {
  readonly buildId?: string | undefined;
  /** the git tag that is built */
  readonly tag?: string | undefined;
  readonly branch?: string | undefined;
}

interface Variables {
  readonly mark: string;
  readonly buildId: readonly string[];
  readonly tag: readonly string[];
  readonly branch: readonly string[];
}

/** The systems of werf's documents, in the order in which it looks. */
const DOCUMENTED: readonly Variables[] = [
  {
    mark: 'GITLAB_CI',
    buildId: ['CI_BUILD_ID', 'CI_JOB_ID'],
    tag: ['CI_BUILD_TAG', 'CI_COMMIT_TAG'],
    branch: ['CI_BUILD_REF_NAME', 'CI_COMMIT_REF_NAME'],
  },
  {
    mark: 'TRAVIS',
    buildId: ['TRAVIS_BUILD_NUMBER'],
    tag: ['TRAVIS_TAG'],
    branch: ['TRAVIS_BRANCH'],
  },
];

/** The build of the CI system that we run in; undefined outside of one. */
export async function ciBuild(
  env: NodeJS.ProcessEnv,
  folder: string,
): Promise<CiBuild | undefined> {
  const system = DOCUMENTED.find(({ mark }) => Boolean(env[mark]));
  if (system === undefined) return await otherBuild(env, folder);
  const first = (names: readonly string[]) => names.map((name) => env[name]).find(Boolean);
  return {
    buildId: first(system.buildId),
    tag: first(system.tag),
    branch: first(system.branch),
  };
}

/** Every other system, as env-ci knows it; it costs a few milliseconds to load. */
async function otherBuild(env: NodeJS.ProcessEnv, cwd: string): Promise<CiBuild | undefined> {
  const { default: envCi } = await import('env-ci');
  const found: Readonly<Record<string, unknown>> = { ...envCi({ env, cwd }) };
  if (found.isCi !== true || found.service === undefined) return undefined;
  const text = (value: unknown): string | undefined =>
    typeof value === 'string' && value !== '' ? value : undefined;
  const branch = text(env.GITHUB_HEAD_REF) ?? text(found.prBranch) ?? text(found.branch);
  const tagRef = branch?.startsWith('refs/tags/') ? branch.slice('refs/tags/'.length) : undefined;
  const tag = text(ciFacts(env).version) ?? text(found.tag) ?? tagRef;
  return {
    buildId: typeof found.build === 'number' ? String(found.build) : text(found.build),
    tag,
    branch: tag === undefined ? branch : undefined,
  };
}
