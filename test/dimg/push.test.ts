import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { missing, mustRun } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { makeProject, prepareDimg } from './scene.ts';

/** The config of an image in a registry, as skopeo reads it. */
async function configOf(name: string) {
  const args = ['inspect', '--config', '--raw', '--tls-verify=false', `docker://${name}`];
  return JSON.parse(await mustRun('skopeo', args));
}

/** The tests themselves may run in CI. */
const NO_CI = Object.fromEntries(
  ['GITLAB_CI', 'TRAVIS', 'GITHUB_ACTIONS', 'JENKINS_URL', 'BUILDKITE', 'CIRCLECI', 'TF_BUILD'].map(
    (name) => [name, ''],
  ),
);

const skip = missing('git', 'docker-registry', 'skopeo');

describe('dimgs of files', { skip }, async () => {
  if (skip) return;
  const { dimg, tryDimg, must } = await prepareDimg(THIS_FILE, NO_CI);
  const planDimg = async (folder: string, ...args: readonly string[]) =>
    (await must(['plan', 'dimg', ...args, '--dir', folder])).join('\n');
  const { host } = await startDockerRegistry(THIS_FILE);

  it('are built, pushed under all names, found again, and pulled by a second host', async (t) => {
    const project = await makeProject(t, {
      'werf.yaml': [
        ...['dimg: [backend, frontend]', 'from: base', 'git:', '- to: /app', '  add: /src'],
        ...['docker: { CMD: [sh], ENV: { A: \'b "$c\' }, LABEL: { "x y": z } }', '---'],
        ...['dimg: tools', 'from: base', 'docker: { WORKDIR: /tools }', ''],
      ].join('\n'),
      'src/a': 'one',
      'src/b/c': 'deep',
    });
    const { folder } = project;
    const commit = await project.git('rev-parse', 'HEAD');
    assert.deepEqual(await dimg(folder, 'list'), ['backend', 'frontend', 'tools']);

    const unbuilt = await tryDimg(folder, 'push', `${host}/team/shop`);
    assert.equal(unbuilt.code, 12);
    assert.match(unbuilt.stderr, /Dimg hasn't been built yet!/);

    assert.deepEqual(await dimg(folder, 'build', 'backend', '--dry-run'), [
      'dimg backend: from [BUILD]',
      'dimg backend: git_archive [BUILD]',
      'dimg backend: docker_instructions [BUILD]',
    ]);
    assert.deepEqual(await dimg(folder, 'build', 'backend'), [
      'dimg backend: from [BUILDING]',
      'dimg backend: from [OK]',
      'dimg backend: git_archive [BUILDING]',
      'dimg backend: git_archive [OK]',
      'dimg backend: docker_instructions [BUILDING]',
      'dimg backend: docker_instructions [OK]',
    ]);
    assert.deepEqual((await dimg(folder, 'build')).slice(3, 8), [
      'dimg frontend: from [USING CACHE]',
      'dimg frontend: git_archive [USING CACHE]',
      'dimg frontend: docker_instructions [USING CACHE]',
      'dimg tools: from [USING CACHE]',
      'dimg tools: docker_instructions [BUILDING]',
    ]);

    const tags = ['--tag', 'v1.0.0', '--tag-plain', 'v1', '--tag-branch', '--tag-commit'];
    const names = ['backend', 'frontend'].flatMap((name) =>
      ['v1-0-0-8c0b2f4a', 'v1', 'main', commit].map((each) => `${host}/team/shop/${name}:${each}`),
    );
    const push = ['push', '?*end', `${host}/team/shop`, ...tags];
    assert.deepEqual(
      await dimg(folder, ...push, '--dry-run'),
      names.map((name) => `${name} [PUSH]`),
    );
    const plan = await planDimg(folder, ...push);
    assert.match(plan, /backend:v1 +\[PUSH\]/);
    assert.deepEqual(await dimg(folder, ...push), [
      ...names.map((name) => `${name} [PUSHING]`),
      ...names.map((name) => `${name} [OK]`),
    ]);
    assert.deepEqual(
      await dimg(folder, ...push),
      names.map((name) => `${name} [EXIST]`),
    );
    const { config, container_config: container } = await configOf(
      `${host}/team/shop/backend:main`,
    );
    assert.equal(config.Labels.werf, 'shop');
    assert.equal(config.Labels['werf-dimg'], 'true');
    assert.equal(config.Labels['werf-tag-scheme'], 'git_branch');
    assert.equal(config.Labels['x y'], 'z');
    assert.equal(config.WorkingDir, '/');
    assert.deepEqual(config.Env, ['PATH=/bin', 'A=b "$c']);
    assert.equal(container.Image, config.Labels['io.slipway.dimg.stage']);

    const [stage = ''] = await dimg(folder, 'stage', 'image', 'backend');
    assert.match(stage, /^dimgstage-shop:[0-9a-f]{64}$/);
    const archive = await dimg(folder, 'stage', 'image', 'backend', '--stage', 'git_archive');
    assert.notEqual(archive[0], stage);
    assert.equal((await tryDimg(folder, 'stage', 'image', 'tools', '--stage', 'x')).code, 12);

    // A simple push of one; the stages; and a host that has nothing yet.
    const parser = `${host}/lingvo/parser`;
    const spush = ['spush', 'tools', parser, '--tag', 'stable', '--tag-plain', 'v1.4.11'];
    assert.deepEqual((await dimg(folder, ...spush)).slice(2), [
      `${parser}:stable [OK]`,
      `${parser}:v1.4.11 [OK]`,
    ]);
    const stages = await dimg(folder, 'stages', 'push', `${host}/team/shop`);
    assert.equal(stages.length, 2 * 4);
    const again = await dimg(folder, 'stages', 'push', `${host}/team/shop`);
    assert.ok(again.length === 4 && again.every((line) => line.endsWith(' [EXIST]')), again.join());
    const other = await prepareDimg(t);
    await project.commit({ 'src/a': 'two', 'src/b/c': undefined });
    const from = ['--stages-from', `${host}/team/shop`];
    const bp = ['bp', 'backend', `${host}/team/shop`, ...from, '--with-stages'];
    const told = await other.dimg(folder, ...bp);
    assert.deepEqual(told.slice(0, 8), [
      'dimg backend: from [PULLING]',
      'dimg backend: from [USING CACHE]',
      'dimg backend: git_archive [PULLING]',
      'dimg backend: git_archive [USING CACHE]',
      'dimg backend: git_latest_patch [BUILDING]',
      'dimg backend: git_latest_patch [OK]',
      'dimg backend: docker_instructions [BUILDING]',
      'dimg backend: docker_instructions [OK]',
    ]);
    assert.equal(told.at(-1), `${host}/team/shop/backend:latest [OK]`);
    const files = await other.dimg(folder, 'tag', 'backend', 'local/shop');
    assert.deepEqual(files.at(-1), 'docker.io/local/shop/backend:latest [OK]');
  });

  it('go with the login of the command, to no other registry', async (t) => {
    const closed = await startDockerRegistry(t, { users: { joe: 'secret word' } });
    const { folder } = await makeProject(t, { 'werf.yaml': 'dimg: ~\nfrom: base\n' });
    const repo = `${closed.host}/team/one`;
    const refused = await tryDimg(folder, 'bp', repo);
    assert.equal(refused.code, 10);
    const half = await tryDimg(folder, 'bp', repo, '--registry-username', 'joe');
    assert.equal(half.code, 10);
    const login = ['--registry-username', 'joe', '--registry-password', 'secret word'];
    const told = await dimg(folder, 'bp', repo, ...login, '--with-stages');
    assert.equal(told.at(-1), `${repo}:latest [OK]`);
    const other = await prepareDimg(t);
    const open = `${host}/team/one`;
    const elsewhere = await other.tryDimg(folder, 'bp', open, ...login, '--stages-from', repo);
    assert.equal(elsewhere.code, 10, 'the password is for the registry of REPO only');
    assert.deepEqual(await other.dimg(folder, 'stages', 'pull', repo, ...login), [
      'dimg: from [PULLING]',
      'dimg: from [OK]',
    ]);
    assert.deepEqual(await other.dimg(folder, 'stages', 'pull', repo, ...login), [
      'dimg: from [EXIST]',
    ]);
    assert.deepEqual(await other.dimg(folder, 'build'), ['dimg: from [USING CACHE]']);
  });

  it('are pulled from the last stage down, until one is there', async (t) => {
    const project = await makeProject(t, {
      'werf.yaml': 'dimg: ~\nfrom: base\ngit:\n- to: /app\ndocker: { CMD: [sh] }\n',
      a: 'one',
    });
    const { folder } = project;
    await dimg(folder, 'build');
    await project.commit({ a: 'two' });
    await dimg(folder, 'bp', `${host}/pulled`, '--with-stages');
    await project.commit({ a: 'three' });
    const other = await prepareDimg(t);
    const pull = ['stages', 'pull', `${host}/pulled`];
    assert.deepEqual(await other.dimg(folder, ...pull), [
      'dimg: docker_instructions [NOT EXIST]',
      'dimg: git_latest_patch [NOT EXIST]',
      'dimg: git_archive [PULLING]',
      'dimg: git_archive [OK]',
    ]);
    assert.deepEqual((await other.dimg(folder, ...pull, '--all')).slice(-3), [
      'dimg: git_archive [EXIST]',
      'dimg: from [PULLING]',
      'dimg: from [OK]',
    ]);
  });

  it('follow what git does with names of files', async (t) => {
    const project = await makeProject(t, {
      'werf.yaml':
        'dimg: ~\nfrom: base\ngit:\n- to: /\n  excludePaths: [werf.yaml, "**/*.md"]\n- add: /x\n  to: /copy/of-x\n',
      x: 'a file',
      'dir/one': '1',
      'dir/two': '2',
      'dir/read.md': 'no',
    });
    await dimg(project.folder, 'build');
    // A file becomes a folder, and a folder a file; one of two goes.
    await project.git('rm', '-r', '--quiet', 'x', 'dir');
    await project.commit({ 'x/y': 'below', dir: 'flat', new: 'n' });
    await dimg(project.folder, 'bp', `${host}/files`);
    const layers = await filesOf(t, `${host}/files`);
    assert.deepEqual(layers, { 'copy/of-x/y': 'below', dir: 'flat', new: 'n', 'x/y': 'below' });
  });

  for (const [what, args, says, code] of [
    ['no REPO', ['push'], /required argument `REPO`/, 2],
    ['a wrong REPO', ['push', 'Hostname'], /Incorrect repo name `Hostname` given!/, 2],
    ['an unknown dimg', ['bp', 'x', 'y', 'repo'], /No such dimg: `x`, `y`!/, 12],
    ['two for spush', ['spush', 'repo'], /only one dimg! Ambiguous dimg pattern: `a`, `b`!/, 2],
    ['no CI', ['push', 'repo', '--tag-ci'], /CI environment required/, 2],
    ['no branch', ['push', 'repo', '--tag-branch'], /isn't associated with a branch name/, 2],
    ['no such command', ['publish'], /unknown command 'publish'/, 2],
  ] as const) {
    it(`are refused with ${what}`, async (t) => {
      const project = await makeProject(t, { 'werf.yaml': 'dimg: [a, b]\nfrom: base\n' });
      await project.git('checkout', '--quiet', '--detach');
      const refused = await tryDimg(project.folder, ...args);
      assert.match(refused.stderr, says);
      assert.equal(refused.code, code);
    });
  }
});

/** What the layers of an image leave below its root, beside the base's files. */
async function filesOf(t: Parameters<typeof makeProject>[0], name: string) {
  const { tempDir } = await import('../rig/lifetime.ts');
  const dir = await tempDir(t);
  const env = { HOME: dir };
  await mustRun(
    'skopeo',
    ['copy', '--quiet', '--src-tls-verify=false', `docker://${name}`, `oci:${dir}/l:x`],
    { env },
  );
  await mustRun('umoci', ['unpack', '--image', `${dir}/l:x`, `${dir}/b`], { env });
  const found = await mustRun('find', ['.', '-type', 'f', '-not', '-path', './bin/*'], {
    cwd: `${dir}/b/rootfs`,
  });
  const files = found
    .split('\n')
    .map((file) => file.slice(2))
    .sort();
  const texts = files.map(async (file) => [
    file,
    await mustRun('cat', [`${dir}/b/rootfs/${file}`]),
  ]);
  return Object.fromEntries(await Promise.all(texts));
}
