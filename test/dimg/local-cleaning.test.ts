import assert from 'node:assert/strict';
import { access, mkdir, readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { createFolderHolder } from '../../src/dimg/held-folders.ts';
import { improperStages } from '../../src/dimg/improper-stages.ts';
import { CACHE_VERSION } from '../../src/dimg/signature.ts';
import { type Digest, parseDigest } from '../../src/oci/digest.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { missing } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { makeProject, prepareDimg } from './scene.ts';

const skip = missing('git', 'docker-registry');

function layer(character: string): Digest {
  return parseDigest(`sha256:${character.charCodeAt(0).toString(16).repeat(32)}`);
}

function stage(signature: string, layers: string, labels: Readonly<Record<string, string>> = {}) {
  const own = { 'werf-cache-version': CACHE_VERSION, ...labels };
  return { signature, labels: own, diffIds: Array.from(layers, layer) };
}

describe('stages that are of no use', () => {
  const label = (character: string) => `werf-git-${character.repeat(64)}-commit`;
  const signatures = async (...args: Parameters<typeof improperStages>) =>
    [...(await improperStages(...args))].map((each) => each.signature);

  it('are those of another cache, of lost commits with what stands on them, and below no image', async () => {
    const stages = [
      stage('base', 'a'),
      stage('archive', 'ab', { [label('1')]: 'lost' }),
      stage('above', 'abc', { [label('1')]: 'there' }),
      stage('beside', 'ad', { [label('2')]: 'there' }),
      stage('old', 'e', { 'werf-cache-version': '30' }),
      stage('artifact', 'f'),
    ];
    assert.deepEqual(await signatures(stages, { cacheVersion: true }), ['old']);
    const hasCommit = async (_: string, commit: string) => commit === 'there';
    assert.deepEqual(await signatures(stages, { cacheVersion: false, hasCommit }), [
      'archive',
      'above',
    ]);
    const images = [stage('', 'adx', { 'werf-artifact-x': 'artifact' })];
    assert.deepEqual(await signatures(stages, { cacheVersion: false, images }), [
      'archive',
      'above',
      'old',
    ]);
    assert.deepEqual(await signatures(stages, { cacheVersion: false }), []);
  });
});

describe('cleaning the local store', { skip }, async () => {
  if (skip) return;
  const { host } = await startDockerRegistry(THIS_FILE);
  const repo = `${host}/team`;
  const files = {
    'werf.yaml': 'dimg: [a, b]\nfrom: base\ngit: [{ to: /app }]\ndocker: { CMD: [sh] }\n',
    file: '1',
  };
  /** names in the store, with signatures cut */
  const prepare = async (t: Parameters<typeof makeProject>[0]) => {
    const line = await prepareDimg(t);
    const names = async () => {
      const listed = await line.must(['images', '--format', '{{.Repository}}:{{.Tag}}']);
      return listed.map((name) => name.replace(/:[0-9a-f]{64}$/, ':…')).sort();
    };
    const blobs = async () => (await readdir(path.join(line.home, 'store/blobs/sha256'))).length;
    return { ...line, names, blobs, project: await makeProject(t, files) };
  };

  it('flush takes the dimgs, the stages or both of this project, and their content', async (t) => {
    const { dimg, names, blobs, must, project } = await prepare(t);
    const other = await makeProject(t, files);
    const before = await blobs();
    await dimg(project.folder, 'build');
    await dimg(other.folder, 'build', 'a', '--name', 'other');
    const beside = await names();
    assert.equal(beside.filter((name) => name === 'dimgstage-shop:…').length, 3, beside.join());
    await dimg(project.folder, 'tag', 'x/y', '--tag', 'one');
    await must(['tag', 'x/y/a:one', 'mine']);

    const would = ['docker.io/library/mine:latest', 'docker.io/x/y/a:one', 'docker.io/x/y/b:one'];
    const flush = ['flush', 'local', '--dry-run'];
    assert.deepEqual((await dimg(project.folder, ...flush)).toSorted(), would);
    assert.equal((await names()).length, beside.length + 3);
    const { folder } = project;
    assert.deepEqual((await dimg(folder, 'flush', 'local')).toSorted(), would);
    assert.deepEqual(await names(), beside);
    assert.equal((await dimg(folder, 'stages', 'flush', 'local')).length, 3);
    assert.deepEqual(
      await names(),
      beside.filter((name) => name !== 'dimgstage-shop:…'),
    );
    await dimg(folder, 'build', 'a');
    await dimg(folder, 'tag', 'a', 'x/y');
    assert.equal((await dimg(folder, 'flush', 'local', '--with-stages')).length, 4);
    assert.deepEqual(await dimg(folder, 'flush', 'local', '--with-stages'), ['']);

    const none = ['dimg', 'mrproper', '--improper-cache-version-stages'];
    assert.deepEqual(await must([...none, '--improper-dev-mode-cache']), ['']);
    const all = await must(['dimg', 'mrproper', '--all']);
    assert.equal(all.filter((name) => name.includes('dimgstage-other:')).length, 3);
    assert.deepEqual(await names(), ['base:latest']);
    assert.equal(await blobs(), before);
  });

  it('mrproper --all leaves folders that a build holds, until it ends', async (t) => {
    const { must, run, home } = await prepare(t);
    const held = path.join(home, 'dimg-git', 'held');
    const free = path.join(home, 'dimg-build', 'free');
    const beside = path.join(home, 'dimg-dev', 'held');
    const holder = createFolderHolder(home, {});
    await Promise.all([holder.hold(held), holder.hold(held), holder.hold(beside)]);
    for (const folder of [held, free, beside]) await mkdir(folder, { recursive: true });
    const isThere = (folder: string) =>
      access(folder).then(
        () => true,
        () => false,
      );
    const { code, stdout, stderr } = await run(['dimg', 'mrproper', '--all']);
    assert.equal(code, 0, stderr);
    assert.deepEqual(await Promise.all([held, free, beside].map(isThere)), [true, false, true]);
    assert.ok(stdout.includes(`${free}\n`) && !stdout.includes(held), stdout);
    assert.ok(stderr.includes(`${held} stays: a running build uses it`), stderr);
    await holder.release();
    await must(['dimg', 'mrproper', '--all', '--dry-run']);
    assert.equal(await isThere(held), true);
    await must(['dimg', 'mrproper', '--all']);
    assert.deepEqual(await Promise.all([held, beside].map(isThere)), [false, false]);
  });

  it('stages cleanup keeps what is young, and what dimgs of REPO stand on', async (t) => {
    const line = await prepare(t);
    const { dimg, tryDimg, names, project } = line;
    const { folder } = project;
    await dimg(folder, 'bp', repo, '--with-stages');
    await project.commit({ file: 'of a commit that is only here' });
    await dimg(folder, 'build');
    const clean = ['stages', 'cleanup', 'local', repo, '--improper-repo-cache'];
    const before = await names();
    assert.deepEqual(await dimg(folder, ...clean), ['']);
    const name = 'WERF_DISABLE_SYNC_LOCAL_STAGES_DATE_PERIOD_POLICY';
    const at = ['dimg', ...clean, '--dir', folder];
    // The patch and what stands on it.
    const removed = await line.run(at, undefined, { [name]: '1' });
    assert.equal(removed.code, 0, removed.stderr);
    assert.match(removed.stdout, /^(?:docker\.io\/library\/dimgstage-shop:[0-9a-f]{64}\n){2}$/);
    assert.equal((await names()).length, before.length - 2);

    const wanted = await tryDimg(folder, 'stages', 'cleanup', 'local');
    assert.deepEqual([wanted.code, /say --improper-cache-version/.test(wanted.stderr)], [2, true]);
    const where = await tryDimg(folder, 'stages', 'cleanup', 'local', '--improper-repo-cache');
    assert.deepEqual([where.code, /required argument `REPO`/.test(where.stderr)], [2, true]);
  });

  it('stages of commits that are gone go here and in REPO', async (t) => {
    const { dimg, names, project } = await prepare(t);
    const { folder, git } = project;
    const place = `${repo}/commits`;
    await git('commit', '--quiet', '--amend', '--message=lost');
    await dimg(folder, 'bp', 'a', place, '--with-stages');
    const clean = ['--improper-git-commit', '--improper-cache-version'];
    assert.deepEqual(await dimg(folder, 'stages', 'cleanup', 'local', ...clean), ['']);
    await git('commit', '--quiet', '--amend', '--message=found');
    await git('reflog', 'expire', '--expire=now', '--all');
    await git('gc', '--quiet', '--prune=now');
    const would = await dimg(folder, 'stages', 'cleanup', 'repo', place, ...clean, '--dry-run');
    assert.equal(would.length, 2, would.join());
    assert.deepEqual(await dimg(folder, 'stages', 'cleanup', 'repo', place, ...clean), would);
    assert.deepEqual(await dimg(folder, 'stages', 'cleanup', 'repo', place, ...clean), ['']);
    assert.equal((await dimg(folder, 'stages', 'flush', 'repo', place)).length, 1);
    assert.equal((await dimg(folder, 'stages', 'cleanup', 'local', ...clean)).length, 2);
    assert.deepEqual(await names(), ['base:latest', 'dimgstage-shop:…']);
  });
});
