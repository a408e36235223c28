import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ciBuild } from '../../src/dimg/ci.ts';
import { dimgRepository, isDimgName, parseRepo } from '../../src/dimg/repo.ts';
import { collectTags, type TagOptions } from '../../src/dimg/tags.ts';
import { formatRepository } from '../../src/oci/reference.ts';

const COMMIT = '3344dd62de9cda6d6445f97a089fa562f7f974f4';

function tagsOf(options: TagOptions, env: NodeJS.ProcessEnv = {}, branch?: string) {
  return collectTags(options, {
    branch: async () => branch,
    commit: async () => COMMIT,
    ci: () => ciBuild(env, '/'),
  });
}

const custom = (...tags: string[]) => ({ scheme: 'custom', tags });

describe('REPO', () => {
  for (const [repo, full] of [
    ['repo', 'docker.io/library/repo'],
    ['hostname:1234/repo', 'hostname:1234/repo'],
    ['subdomain.hostname:1234/sub_repo/repo', 'subdomain.hostname:1234/sub_repo/repo'],
    [':minikube', 'localhost:5000/project-name'],
  ] as const) {
    it(`${repo} is ${full}`, () => {
      assert.equal(formatRepository(parseRepo(repo, 'project-name')), full);
    });
  }
  for (const repo of [
    'hostname.ru:6000',
    'hostname:/repo',
    'hostname-',
    'Hostname',
    '',
    'a/b:1',
    ':minikubes',
    'a//b',
    `a/${'b'.repeat(300)}`,
  ]) {
    it(`${JSON.stringify(repo.slice(0, 20))} is refused`, () => {
      assert.throws(() => parseRepo(repo, 'project-name'), {
        code: 'REFERENCE_INVALID',
        message: /^Incorrect repo name `.*` given!$/,
      });
    });
  }

  it('is extended by the name of a dimg', () => {
    const repo = parseRepo('registry.hello.com/web', 'x');
    assert.equal(formatRepository(dimgRepository(repo, 'core')), 'registry.hello.com/web/core');
    assert.deepEqual(dimgRepository(repo, undefined), repo);
  });

  it('goes with names of dimgs that can be part of it', () => {
    for (const name of ['a', 'a-b', 'a--b', 'a_b', 'a__b', 'a.b', 'a.', '0a_']) {
      assert.ok(isDimgName(name), name);
    }
    for (const name of ['', 'A', 'a/b', '-a', 'a-', '.a', 'a..b', 'a b', '~']) {
      assert.ok(!isDimgName(name), name);
    }
  });
});

describe('tags', () => {
  it('of a GitLab branch are slugs', async () => {
    const env = { GITLAB_CI: 'true', CI_COMMIT_REF_NAME: 'core/feature/ADD_SETTINGS' };
    assert.deepEqual(await tagsOf({ tagCi: true }, env), [
      { scheme: 'git_branch', tags: ['core-feature-add-settings-c3fd80df'] },
    ]);
  });

  it('of a GitLab tag win over the branch, and old variables over new ones', async () => {
    const env = { GITLAB_CI: 'true', CI_COMMIT_TAG: 'v2.3.1', CI_COMMIT_REF_NAME: 'v2.3.1' };
    assert.deepEqual(await tagsOf({ tagCi: true }, env), [
      { scheme: 'git_tag', tags: ['v2-3-1-5cb8b0a4'] },
    ]);
    const older = { ...env, CI_BUILD_TAG: 'old' };
    assert.deepEqual(await tagsOf({ tagCi: true }, older), [{ scheme: 'git_tag', tags: ['old'] }]);
  });

  it('follow the order of schemes, not of options', async () => {
    const env = {
      TRAVIS: 'true',
      TRAVIS_TAG: '',
      TRAVIS_BRANCH: 'rework-cache',
      TRAVIS_BUILD_NUMBER: '17',
    };
    const options = {
      tagBuildId: true,
      tagCommit: true,
      tagCi: true,
      tagBranch: true,
      tagPlain: ['my-test-branch', 'B'],
      tagSlug: ['v2.3.1'],
      tag: ['feature/using_cache', 'stable'],
    };
    assert.deepEqual(await tagsOf(options, env, 'fix/memory-leak'), [
      custom('feature-using-cache-81644ed0', 'stable', 'v2-3-1-5cb8b0a4', 'my-test-branch', 'B'),
      { scheme: 'git_branch', tags: ['fix-memory-leak-b3715a6e', 'rework-cache'] },
      { scheme: 'git_commit', tags: [COMMIT] },
      { scheme: 'ci', tags: ['17'] },
    ]);
  });

  it('are latest where nothing is asked for, or nothing comes of it', async () => {
    assert.deepEqual(await tagsOf({}), [custom('latest')]);
    assert.deepEqual(await tagsOf({ tagCi: true, tagBuildId: true }, { GITLAB_CI: '1' }), [
      custom('latest'),
    ]);
  });

  it('stay double where they are asked for twice', async () => {
    assert.deepEqual(await tagsOf({ tag: ['a'], tagPlain: ['a'] }), [custom('a', 'a')]);
  });

  it('of a branch need a branch', async () => {
    await assert.rejects(tagsOf({ tagBranch: true }), {
      message: "Dimg has specific revision that isn't associated with a branch name!",
    });
  });

  it('of CI need CI', async () => {
    for (const options of [{ tagCi: true }, { tagBuildId: true }]) {
      await assert.rejects(tagsOf(options, { PATH: process.env.PATH, CI: 'true' }), {
        message: 'CI environment required (Travis or GitLab CI)!',
      });
    }
  });

  it('that no registry takes are refused', async () => {
    for (const tag of ['a/b', '', '.a', 'x'.repeat(129)]) {
      await assert.rejects(tagsOf({ tagPlain: [tag] }), { code: 'REFERENCE_INVALID' });
    }
    await assert.rejects(tagsOf({ tag: ['x'.repeat(129)] }), { hint: /WERF_SLUG_V3/ });
  });
});

describe('CI systems', () => {
  const systems: readonly (readonly [string, NodeJS.ProcessEnv, object])[] = [
    [
      'GitHub, branch',
      {
        GITHUB_ACTIONS: 'true',
        GITHUB_REF: 'refs/heads/feature/x',
        GITHUB_REF_TYPE: 'branch',
        GITHUB_REF_NAME: 'feature/x',
        GITHUB_RUN_ID: '99',
      },
      { branch: 'feature/x', buildId: '99' },
    ],
    [
      'GitHub, tag',
      {
        GITHUB_ACTIONS: 'true',
        GITHUB_REF: 'refs/tags/v1',
        GITHUB_REF_TYPE: 'tag',
        GITHUB_REF_NAME: 'v1',
        GITHUB_RUN_ID: '99',
      },
      { tag: 'v1', buildId: '99' },
    ],
    [
      'GitHub, pull request',
      {
        GITHUB_ACTIONS: 'true',
        GITHUB_REF: 'refs/pull/7/merge',
        GITHUB_HEAD_REF: 'topic',
        GITHUB_EVENT_NAME: 'pull_request',
        GITHUB_RUN_ID: '99',
      },
      { branch: 'topic', buildId: '99' },
    ],
    [
      'CircleCI',
      { CIRCLECI: 'true', CIRCLE_BUILD_NUM: '5', CIRCLE_BRANCH: 'main' },
      { branch: 'main', buildId: '5' },
    ],
    [
      'Jenkins',
      { JENKINS_URL: 'http://j', BUILD_NUMBER: '6', BRANCH_NAME: 'main', GIT_COMMIT: 'x' },
      { branch: 'main', buildId: '6' },
    ],
    [
      'Azure, tag',
      {
        BUILD_BUILDURI: 'vsts://1',
        TF_BUILD: 'True',
        BUILD_BUILDNUMBER: '7',
        BUILD_SOURCEBRANCH: 'refs/tags/v3',
      },
      { tag: 'v3', buildId: '7' },
    ],
    [
      'Bitbucket',
      { BITBUCKET_BUILD_NUMBER: '8', BITBUCKET_TAG: 'v4', BITBUCKET_COMMIT: 'x' },
      { tag: 'v4', buildId: '8' },
    ],
    [
      'Buildkite',
      {
        BUILDKITE: 'true',
        BUILDKITE_BUILD_NUMBER: '9',
        BUILDKITE_BRANCH: 'main',
        BUILDKITE_TAG: '',
      },
      { branch: 'main', buildId: '9' },
    ],
  ];
  for (const [name, env, wanted] of systems) {
    it(`${name} is understood`, async () => {
      const found = await ciBuild({ PATH: process.env.PATH, ...env }, '/');
      assert.deepEqual(JSON.parse(JSON.stringify(found)), wanted);
    });
  }
});
