import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Filter, whySkipped } from '../../src/jet/filter.ts';
import { textValue } from './value.ts';

async function runs(
  t: TestContext,
  words: { readonly tag?: string; readonly exclude?: string },
  branch: string | undefined,
  warnings: string[] = [],
): Promise<boolean> {
  const filter: Filter = {
    ...(words.tag === undefined ? {} : { tag: await textValue(t, words.tag) }),
    ...(words.exclude === undefined ? {} : { exclude: await textValue(t, words.exclude) }),
  };
  return whySkipped(filter, branch, (text) => warnings.push(text)) === undefined;
}

/** A filter, the branches that it is for, and those that it isn't for. */
const CASES: readonly (readonly [string, readonly string[], readonly string[]])[] = [
  ['gh-pages', ['gh-pages'], ['gh-pages2', 'my-gh-pages', 'master']],
  [
    '^(master|staging)',
    ['master', 'staging', 'master-rebase', 'staging/x'],
    ['my-master', 'develop'],
  ],
  ['^(master|staging/.*)$', ['master', 'staging/a'], ['master-rebase', 'staging']],
  ['([', ['(['], ['master', '(']],
  ['test-\\w+', ['test-feature1', 'test-123', 'test-\\w+'], ['test-', 'master']],
  ['v1.0', ['v1.0'], ['v1x0']],
  ['(?=a)', [], ['a']],
];

for (const [pattern, good, bad] of CASES) {
  test(`tag and exclude ${pattern}`, async (t) => {
    for (const branch of good) {
      assert.ok(await runs(t, { tag: pattern }, branch), branch);
      assert.ok(!(await runs(t, { exclude: pattern }, branch)), branch);
    }
    for (const branch of bad) {
      assert.ok(!(await runs(t, { tag: pattern }, branch)), branch);
      assert.ok(await runs(t, { exclude: pattern }, branch), branch);
    }
  });
}

test('exclude wins over tag, and without a branch steps for one are skipped', async (t) => {
  assert.ok(!(await runs(t, { tag: 'master', exclude: 'master' }, 'master')));
  assert.ok(!(await runs(t, { tag: 'master' }, undefined)));
  assert.ok(await runs(t, { exclude: 'master' }, undefined));
  assert.ok(await runs(t, {}, undefined));
});

test('an expression without ^ and $ is told of, once it is used as one', async (t) => {
  const warnings: string[] = [];
  await runs(t, { tag: 'test-\\w+' }, 'test-1', warnings);
  await runs(t, { tag: '^test-\\w+' }, 'test-1', warnings);
  await runs(t, { tag: 'plain' }, 'test-1', warnings);
  assert.equal(warnings.length, 1);
  assert.match(warnings[0] ?? '', /it.yml, line 1: it is taken as a regular expression/);
});

test('a pattern that would hold other engines up for ever takes no time', async (t) => {
  const started = performance.now();
  assert.ok(!(await runs(t, { tag: '^(a+)+$' }, `${'a'.repeat(5000)}!`)));
  assert.ok(performance.now() - started < 10_000);
});
