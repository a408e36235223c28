import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ciFacts, ciVariables, tagVariables } from '../../src/jet/ci.ts';
import { tempDir } from '../rig/lifetime.ts';
import { missing, mustRun } from '../rig/programs.ts';

const { signal } = new AbortController();

test('containers and templates know all that Codeship tells, from options first', async (t) => {
  const facts = await ciFacts(
    {
      ciBranch: 'b',
      ciBuildId: 'i',
      ciCommitDescription: 'd',
      ciCommitId: 'c',
      ciCommitMessage: 'm',
      ciCommitterEmail: 'e',
      ciCommitterName: 'n',
      ciCommitterUsername: 'u',
      ciPrNumber: '7',
      ciPullRequest: 'https://x/7',
      ciProjectId: 'p',
      ciRepoName: 'r',
    },
    { dir: await tempDir(t), tag: 'other', signal },
  );
  const seconds = String(Math.floor(facts.time.getTime() / 1000));
  const iso = `${facts.time.toISOString().slice(0, 19)}Z`;
  const variables = {
    CI: 'true',
    CI_NAME: 'codeship',
    CI_PROJECT_ID: 'p',
    CI_BUILD_ID: 'i',
    CI_REPO_NAME: 'r',
    CI_BRANCH: 'b',
    CI_COMMIT_ID: 'c',
    CI_COMMIT_MESSAGE: 'm',
    CI_COMMIT_DESCRIPTION: 'd',
    CI_COMMITTER_NAME: 'n',
    CI_COMMITTER_EMAIL: 'e',
    CI_COMMITTER_USERNAME: 'u',
    CI_TIMESTAMP: seconds,
    CI_STRING_TIME: iso,
    CI_PR_NUMBER: '7',
    CI_PULL_REQUEST: 'https://x/7',
  };
  assert.deepEqual(ciVariables(facts), variables);
  const approved = ciVariables({ ...facts, isApproved: true });
  assert.deepEqual(approved, { ...variables, CI_BUILD_APPROVED: 'true' });
  const { texts } = tagVariables(facts, { name: 's', service: 'v', image: 'g' });
  assert.deepEqual(texts, {
    ...{ ProjectID: 'p', BuildID: 'i', RepoName: 'r', Branch: 'b', CommitID: 'c', Commit: 'c' },
    ...{ CommitMessage: 'm', CommitDescription: 'd', CommitterName: 'n', CommitterEmail: 'e' },
    ...{ CommitterUsername: 'u', Timestamp: seconds, StringTime: iso, StepName: 's' },
    ...{ ServiceName: 'v', ImageName: 'g', CiName: 'codeship' },
  });
});

test('git tells the rest, and a folder without one nothing', {
  skip: missing('git'),
}, async (t) => {
  const dir = await tempDir(t);
  const git = (...words: readonly string[]) =>
    mustRun('git', ['-C', dir, '-c', 'user.name=Jo', '-c', 'user.email=jo@x', ...words]);
  const none = await ciFacts({}, { dir, tag: undefined, signal });
  assert.deepEqual([none.ciBranch, none.ciCommitId, none.ciCommitDescription], ['', '', '']);
  await git('init', '-q', '-b', 'topic');
  await git('commit', '-q', '--allow-empty', '-m', 'one\n\ntwo');
  await git('tag', 'v1');
  const facts = await ciFacts({}, { dir, tag: undefined, signal });
  assert.equal(facts.ciBranch, 'topic');
  assert.match(facts.ciCommitId, /^[0-9a-f]{40}$/);
  assert.equal(facts.ciCommitMessage.trim(), 'one\n\ntwo');
  assert.deepEqual(
    [facts.ciCommitDescription, facts.ciCommitterName, facts.ciCommitterEmail],
    ['v1', 'Jo', 'jo@x'],
  );
  assert.equal(facts.ciRepoName, dir.replace(/^.*\//, ''));
  assert.equal((await ciFacts({}, { dir, tag: 'other', signal })).ciBranch, 'other');
});
