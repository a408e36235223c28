import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isGitContext } from '../../src/build/git-context.ts';
import { gitLabels } from '../../src/build/git-labels.ts';
import { publicUrl } from '../../src/build/public-url.ts';

for (const [remote, url] of [
  ['https://github.com/o/r.git', 'https://github.com/o/r'],
  ['https://user:secret@github.com/o/r', 'https://github.com/o/r'],
  ['https://secret@host:8443/o/r.git/', 'https://host:8443/o/r'],
  ['http://host/o/r.git?private_token=secret#x', 'http://host/o/r'],
  ['git@github.com:o/r.git', 'https://github.com/o/r'],
  ['github.com:o/r', 'https://github.com/o/r'],
  ['ssh://git:secret@host.example:2222/o/r.git', 'https://host.example/o/r'],
  ['git://host/o/r', 'https://host/o/r'],
  ['/srv/git/r.git', undefined],
  ['../r', undefined],
  ['file:///srv/r.git', undefined],
  ['C:\\repositories\\r', undefined],
  ['https://host', undefined],
  ['', undefined],
] as const) {
  test(`the remote ${JSON.stringify(remote)} can be looked at: ${url}`, () => {
    assert.equal(publicUrl(remote), url);
  });
}

test('no user and no password of a remote is left in its address', () => {
  const word = fc.stringMatching(/^[a-z0-9]{1,8}$/).map((text) => `s3cret${text}`);
  const scheme = fc.constantFrom('https', 'http', 'ssh', 'git');
  fc.assert(
    fc.property(scheme, word, fc.option(word), (name, user, password) => {
      const login = password === null ? user : `${user}:${password}`;
      const url = publicUrl(`${name}://${login}@host.example/o/r.git?${user}`);
      assert.doesNotMatch(url ?? '', /s3cret/);
    }),
  );
});

for (const [text, isGit] of [
  ['https://github.com/o/r.git', true],
  ['https://github.com/o/r.git#main:sub', true],
  ['git://host/r', true],
  ['git@github.com:o/r.git', true],
  ['ssh://git@host/r', true],
  ['github.com/o/r', true],
  ['https://host/context.tar', false],
  ['https://host/page#x.git', false],
  ['.', false],
  ['-', false],
  ['app.git', false],
] as const) {
  test(`${text} is ${isGit ? 'a' : 'no'} git repository`, () => {
    assert.equal(isGitContext(text), isGit);
  });
}

const label = (name: string) => `org.opencontainers.image.${name}`;

for (const [system, env, expected] of [
  [
    'GitHub Actions',
    {
      GITHUB_ACTIONS: 'true',
      GITHUB_SHA: 'abc',
      GITHUB_REF_TYPE: 'tag',
      GITHUB_REF_NAME: 'v1',
      GITHUB_SERVER_URL: 'https://github.com',
      GITHUB_REPOSITORY: 'o/r',
    },
    { revision: 'abc', version: 'v1', source: 'https://github.com/o/r', title: 'r' },
  ],
  [
    'GitLab CI',
    {
      GITLAB_CI: 'true',
      CI_COMMIT_SHA: 'abc',
      CI_PROJECT_URL: 'https://gitlab-ci-token:secret@gitlab.com/o/r',
    },
    { revision: 'abc', source: 'https://gitlab.com/o/r', title: 'r' },
  ],
  [
    'Jenkins',
    { JENKINS_URL: 'http://j', GIT_COMMIT: 'abc', GIT_URL: 'git@host:o/r.git' },
    { revision: 'abc', source: 'https://host/o/r', title: 'r' },
  ],
  [
    'Travis',
    { TRAVIS: 'true', TRAVIS_COMMIT: 'abc', TRAVIS_REPO_SLUG: 'o/r' },
    { revision: 'abc', title: 'r' },
  ],
  ['no CI', { CI_COMMIT_SHA: 'of something else' }, {}],
] as readonly [string, Record<string, string>, Record<string, string>][]) {
  test(`without git, labels are what ${system} says`, async () => {
    const all: Record<string, string> = {
      ...expected,
      ...(expected.source ? { url: expected.source } : {}),
    };
    const wanted = Object.fromEntries(
      Object.entries(all).map(([name, value]) => [label(name), value]),
    );
    assert.deepEqual(await gitLabels(undefined, { env }), wanted);
  });
}
