import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { type PublishedDimg, retentionLimits, tagsToRemove } from '../../src/dimg/retention.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { tempDir } from '../rig/lifetime.ts';
import { missing, mustRun } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { kubeConfig, startCluster } from './kubernetes.ts';
import { makeProject, prepareDimg } from './scene.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
const NOW_MS = Date.parse('2026-01-01T00:00:00Z');

function published(scheme: string, tag: string, ageDays?: number): PublishedDimg {
  return { tag, scheme, createdMs: ageDays === undefined ? undefined : NOW_MS - ageDays * DAY_MS };
}

async function removed(images: readonly PublishedDimg[], env: NodeJS.ProcessEnv = {}) {
  const tags = await tagsToRemove(images, {
    nowMs: NOW_MS,
    branches: ['master', 'feature/using_cache'],
    gitTags: images.filter(({ tag }) => tag.startsWith('v')).map(({ tag }) => tag),
    hasCommit: async (commit) => commit.startsWith('c'),
    limits: retentionLimits(env),
  });
  return [...tags];
}

describe('retention', () => {
  it('keeps what still exists, and what has no such name', async () => {
    const images = [
      published('git_branch', 'master', 900),
      published('git_branch', 'feature-using-cache-81644ed0', 900),
      published('git_branch', 'feature-gone', 0),
      published('git_tag', 'gone', 0),
      published('git_commit', 'gone-too', 0),
      published('custom', 'latest', 900),
      published('ci', '17', 900),
      { tag: 'x', scheme: undefined, createdMs: 0 },
    ];
    assert.deepEqual(await removed(images), ['feature-gone', 'gone', 'gone-too']);
  });

  it('keeps the newest, and none that is too old', async () => {
    const tags = Array.from({ length: 12 }, (_, at) => published('git_tag', `v${at}`, 12 - at));
    assert.deepEqual((await removed(tags)).sort(), ['v0', 'v1']);
    const old = [published('git_tag', 'v1', 31), published('git_commit', 'c1', 29)];
    assert.deepEqual(await removed(old), ['v1']);
    assert.deepEqual(await removed([published('git_tag', 'v1')]), []);
    const env = {
      WERF_GIT_TAGS_LIMIT_POLICY: '11',
      WERF_GIT_COMMITS_EXPIRY_DATE_PERIOD_POLICY: '3600',
      WERF_GIT_COMMITS_LIMIT_POLICY: 'many',
    };
    assert.deepEqual(await removed([...tags, published('git_commit', 'c', 1)], env), ['v0', 'c']);
  });
});

const skip = missing('git', 'docker-registry');

describe('cleanup and flush', { skip }, async () => {
  if (skip) return;
  const { host } = await startDockerRegistry(THIS_FILE);
  const KUBECONFIG = path.join(await tempDir(THIS_FILE), 'kube');
  await writeFile(KUBECONFIG, '');
  const { dimg, tryDimg } = await prepareDimg(THIS_FILE, { KUBECONFIG });
  const tagsIn = async (repository: string): Promise<readonly string[]> => {
    const answer = await fetch(`http://${host}/v2/${repository}/tags/list`);
    const { tags } = (await answer.json()) as { tags?: string[] | null };
    return (tags ?? []).sort();
  };

  it('keep what a cluster uses, and remove nothing where it can not be asked', async (t) => {
    const repo = `${host}/used`;
    const project = await makeProject(t, {
      'werf.yaml': 'project: used\n---\ndimg: a\nfrom: base\ngit: [{ to: /app }]\n',
      file: '1',
    });
    const { folder, git } = project;
    const remote = await tempDir(t);
    await mustRun('git', ['init', '--quiet', '--bare', remote], { env: { HOME: remote } });
    await git('remote', 'add', 'origin', remote);
    await git('push', '--quiet', 'origin', 'main');
    await git('fetch', '--quiet', 'origin');
    for (const branch of ['by-name', 'by-digest', 'unused']) {
      await git('checkout', '--quiet', '-b', branch, 'main');
      await project.commit({ file: branch });
      await dimg(folder, 'bp', repo, '--tag-branch', '--with-stages');
    }
    const all = await tagsIn('used/a');
    const manifest = await fetch(`http://${host}/v2/used/a/manifests/by-digest`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    const digest = manifest.headers.get('docker-content-digest');

    const unknown = await tryDimg(folder, 'cleanup', 'repo', repo);
    assert.equal(unknown.code, 2);
    assert.match(
      unknown.stderr,
      /kube can't be used: it is no configuration of Kubernetes\n.*--without-kube/,
    );
    const [first, second] = [await startCluster(t), await startCluster(t)];
    await writeFile(KUBECONFIG, await readFile(await kubeConfig(t, [first, second])));
    first.answers.set('/apis/apps/v1/deployments', [
      { spec: { template: { spec: { containers: [{ image: `${repo}/a:by-name` }] } } } },
    ]);
    second.answers.set('/api/v1/pods', [
      { status: { containerStatuses: [{ image: 'x', imageID: `mirror/any/thing@${digest}` }] } },
    ]);
    second.answers.set('/apis/batch/v1/cronjobs', 403);
    const refused = await tryDimg(folder, 'cleanup', 'repo', repo, '--with-stages');
    assert.equal(refused.code, 11);
    assert.match(refused.stderr, /context context-1 of Kubernetes .*cron jobs/);
    assert.deepEqual(await tagsIn('used/a'), all);

    second.answers.delete('/apis/batch/v1/cronjobs');
    const stages = await tagsIn('used');
    const removed = await dimg(folder, 'cleanup', 'repo', repo, '--with-stages');
    assert.equal(removed[0], `${repo}/a:unused`);
    assert.equal(removed.length, 2, 'and the patch that it alone had');
    assert.deepEqual(await tagsIn('used/a'), ['by-digest', 'by-name']);
    assert.equal((await tagsIn('used')).length, stages.length - 1);
    const asked = first.asked.length;
    const rest = await dimg(folder, 'cleanup', 'repo', repo, '--without-kube');
    assert.deepEqual(rest.toSorted(), [`${repo}/a:by-digest`, `${repo}/a:by-name`]);
    assert.equal(first.asked.length, asked);
  });

  it('remove what nobody wants, nothing else, and only when they are told to', async (t) => {
    const repo = `${host}/team`;
    const project = await makeProject(t, {
      'werf.yaml': 'dimg: [a, b]\nfrom: base\ngit: [{ to: /app }]\ndocker: { CMD: [sh] }\n',
      file: '1',
    });
    const { folder, git } = project;
    await dimg(folder, 'build');
    await git('checkout', '--quiet', '-b', 'feature');
    await project.commit({ file: 'of the branch' });
    await dimg(folder, 'bp', repo, '--tag-branch', '--tag', 'kept', '--with-stages');
    const old = (await tagsIn('team')).length;
    await git('checkout', '--quiet', 'main');
    await project.commit({ file: '2' });
    await dimg(folder, 'bp', repo, '--tag-branch', '--tag-commit', '--with-stages');

    const unknown = await tryDimg(folder, 'cleanup', 'repo', repo, '--without-kube');
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /knows no branches of a remote repository/);
    const remote = await tempDir(t);
    await mustRun('git', ['init', '--quiet', '--bare', remote], { env: { HOME: remote } });
    await git('remote', 'add', 'origin', remote);
    await git('push', '--quiet', 'origin', 'main');
    await git('fetch', '--quiet', 'origin');
    const named = ['--name', 'shop'];

    const clean = ['cleanup', 'repo', repo, '--without-kube', '--with-stages', ...named];
    const would = await dimg(folder, ...clean, '--dry-run');
    assert.deepEqual(would, [`${repo}/a:feature`, `${repo}/b:feature`]);
    assert.ok((await tagsIn('team/a')).includes('feature'));
    assert.deepEqual(await dimg(folder, ...clean), would);
    const commit = await git('rev-parse', 'HEAD');
    assert.deepEqual(await tagsIn('team/a'), [commit, 'kept', 'main'].sort());
    assert.deepEqual(await dimg(folder, ...clean), ['']);

    // Without the image that was kept nobody needs the stages of it alone.
    const gone = await fetch(`http://${host}/v2/team/a/manifests/kept`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    const digest = gone.headers.get('docker-content-digest');
    for (const name of ['a', 'b']) {
      await fetch(`http://${host}/v2/team/${name}/manifests/${digest}`, { method: 'DELETE' });
    }
    const stages = (await tagsIn('team')).length;
    assert.ok(stages > old);
    const cleaned = await dimg(folder, ...clean);
    // Its patch, and the docker instructions on top of that.
    assert.equal(cleaned.length, 2, cleaned.join());
    for (const name of cleaned) assert.match(name, /\/team:dimgstage-[0-9a-f]{64}$/);

    // Another project's flush doesn't see them.
    const flush = ['flush', 'repo', repo, '--with-stages', '--name'];
    assert.deepEqual(await dimg(folder, ...flush, 'other'), ['']);
    assert.equal((await dimg(folder, ...flush, 'shop')).length, 4 + stages - 2);
    assert.deepEqual([await tagsIn('team'), await tagsIn('team/a')], [[], []]);
  });
});
