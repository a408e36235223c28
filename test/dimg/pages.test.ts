import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { startDockerd } from '../rig/dockerd.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { missingEngine, mustRun } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { makeProject, prepareDimg, statesIn } from './scene.ts';

const skip = missingEngine('git', 'docker', 'dockerd', 'docker-registry', 'skopeo');

/** The tests themselves may run in CI. */
const NO_CI = { GITLAB_CI: '', TRAVIS: '', CI_REGISTRY: '' };
const BRANCH = 'core/feature/ADD_SETTINGS';

interface Example {
  readonly dimgs: readonly string[];
  /** words of the command; `REPO` is where it goes */
  readonly words: readonly string[];
  readonly repo: string;
  readonly env?: Readonly<Record<string, string>>;
  /** what is published below the registry, in the order in which it is told */
  readonly names: readonly string[];
}

const EXAMPLES: Readonly<Record<string, Example>> = {
  'two dimgs of a branch': {
    dimgs: ['backend', 'frontend'],
    words: ['push', 'REPO', '--tag-ci'],
    repo: 'web/core/system',
    env: { GITLAB_CI: 'true', CI_COMMIT_REF_NAME: BRANCH },
    names: [
      'web/core/system/backend:core-feature-add-settings-c3fd80df',
      'web/core/system/frontend:core-feature-add-settings-c3fd80df',
    ],
  },
  'a nameless dimg of a tag': {
    dimgs: ['~'],
    words: ['push', 'REPO', '--tag-ci'],
    repo: 'web/core/queue',
    env: { GITLAB_CI: 'true', CI_COMMIT_TAG: 'v2.3.1', CI_COMMIT_REF_NAME: 'v2.3.1' },
    names: ['web/core/queue:v2-3-1-5cb8b0a4'],
  },
  'two dimgs with three tags each': {
    dimgs: ['backend', 'frontend'],
    words: [
      ...['push', 'REPO', '--tag-ci', '--tag', 'feature/using_cache'],
      ...['--tag-plain', 'my-test-branch'],
    ],
    repo: 'web/core/system',
    env: { GITLAB_CI: 'true', CI_COMMIT_REF_NAME: 'rework-cache' },
    names: ['backend', 'frontend'].flatMap((dimg) =>
      ['feature-using-cache-81644ed0', 'my-test-branch', 'rework-cache'].map(
        (tag) => `web/core/system/${dimg}:${tag}`,
      ),
    ),
  },
  'three dimgs': {
    dimgs: ['core', 'queue', 'api'],
    words: ['push', 'REPO', '--tag-plain', 'v1.1.14'],
    repo: 'taxi/backend',
    names: ['core', 'queue', 'api'].map((dimg) => `taxi/backend/${dimg}:v1.1.14`),
  },
  'two of three': {
    dimgs: ['kubetools', 'backuptools', 'copytools'],
    words: ['push', 'kubetools', 'backuptools', 'REPO'],
    repo: 'tools/common',
    names: ['tools/common/kubetools:latest', 'tools/common/backuptools:latest'],
  },
  'a simple push with two tags': {
    dimgs: ['plain-c', 'other'],
    words: ['spush', 'plain-c', 'REPO', '--tag', 'stable', '--tag-plain', 'v1.4.11'],
    repo: 'lingvo/parser',
    names: ['lingvo/parser:stable', 'lingvo/parser:v1.4.11'],
  },
};

describe("examples of werf's pages", { skip }, async () => {
  if (skip) return;
  const { env } = await startDockerd(THIS_FILE);
  const { DOCKER_HOST = '' } = env;
  const line = await prepareDimg(THIS_FILE, { DOCKER_HOST, ...NO_CI });
  const { host } = await startDockerRegistry(THIS_FILE);
  const skopeo = (...args: readonly string[]) => mustRun('skopeo', args);
  const configOf = async (name: string) =>
    JSON.parse(
      await skopeo('inspect', '--config', '--tls-verify=false', `docker://${host}/${name}`),
    ).config;
  const tagsOf = async (repository: string): Promise<readonly string[]> =>
    JSON.parse(await skopeo('list-tags', '--tls-verify=false', `docker://${host}/${repository}`))
      .Tags;

  for (const [what, { dimgs, words, repo, env, names }] of Object.entries(EXAMPLES)) {
    it(`${what}: what is published is what the page says`, async (t) => {
      const { folder } = await makeProject(t, { 'werf.yaml': configOfAll(dimgs) });
      await line.dimg(folder, 'build', '--network=none');
      const args = ['dimg', ...words.map((word) => (word === 'REPO' ? `${host}/${repo}` : word))];
      const { code, stdout, stderr } = await line.run([...args, '--dir', folder], undefined, env);
      assert.equal(code, 0, stderr);
      assert.deepEqual(
        statesIn(stdout.trimEnd().split('\n')),
        ['PUSHING', 'OK'].flatMap((state) => names.map((name) => `${host}/${name} [${state}]`)),
      );
      for (const name of names) {
        const { Labels, Env } = await configOf(name);
        assert.equal(Labels['werf-dimg'], 'true');
        const dimg = what.startsWith('a simple') ? 'plain-c' : nameIn(name, repo);
        assert.ok(Env.includes(`DIMG=${dimg}`), `${name} is ${dimg}`);
        const [, tag] = name.split(':');
        const scheme =
          tag?.startsWith('core-feature') || tag === 'rework-cache' ? 'git_branch' : 'custom';
        assert.equal(Labels['werf-tag-scheme'], tag?.startsWith('v2-3-1') ? 'git_tag' : scheme);
      }
      const repositories = Map.groupBy(names, (name) => name.split(':')[0] ?? '');
      for (const [repository, own] of repositories) {
        const tags = await tagsOf(repository);
        assert.ok(own.every((name) => tags.includes(name.split(':')[1] ?? '')));
      }
    });
  }

  it('two dimgs with their stages: all of them can be read', async (t) => {
    const { folder } = await makeProject(t, { 'werf.yaml': configOfAll(['server', 'geodata']) });
    const repo = `${host}/api/geo`;
    const bp = ['bp', repo, '--tag', 'stable', '--with-stages', '--network=none'];
    const told = await line.dimg(folder, ...bp);
    const dimgs = ['server', 'geodata'].map((dimg) => `${repo}/${dimg}:stable [OK]`);
    assert.deepEqual(told.slice(-2), dimgs);
    const tags = await tagsOf('api/geo');
    assert.equal(tags.length, 4, 'from and install of both, and the docker instructions of each');
    for (const tag of tags) {
      assert.match(tag, /^dimgstage-[0-9a-f]{64}$/);
      assert.ok(told.includes(`${repo}:${tag} [OK]`));
      const { Labels } = await configOf(`api/geo:${tag}`);
      assert.deepEqual([Labels.werf, Labels['werf-dimg']], ['page', 'false']);
    }
    for (const dimg of ['server', 'geodata']) {
      assert.deepEqual(await tagsOf(`api/geo/${dimg}`), ['stable']);
      assert.equal(await madeIn(t, `${host}/api/geo/${dimg}:stable`), 'by a real engine');
    }
  });

  it('tag of a nameless dimg: only the local store has it', async (t) => {
    const { folder } = await makeProject(t, { 'werf.yaml': configOfAll(['~']) });
    await line.dimg(folder, 'build', '--network=none');
    const repo = 'registry.hello.com/tools/archiver';
    const tags = ['--tag-plain', 'v2.9.13', '--tag', 'fix/memory-leak'];
    assert.deepEqual((await line.dimg(folder, 'tag', repo, ...tags)).slice(-2), [
      `${repo}:fix-memory-leak-b3715a6e [OK]`,
      `${repo}:v2.9.13 [OK]`,
    ]);
  });
});

/** Dimgs that share the stage that the engine makes. */
function configOfAll(dimgs: readonly string[]): string {
  const documents = dimgs.map(
    (dimg) => `dimg: ${dimg}
from: base
shell: { install: [echo by a real engine > /made] }
docker: { ENV: { DIMG: '${dimg}' } }
`,
  );
  return ['project: page\n', ...documents].join('---\n');
}

function nameIn(name: string, repo: string): string {
  const [repository = ''] = name.split(':');
  return repository === repo ? '~' : repository.slice(repo.length + 1);
}

/** The file that the engine's command made. */
async function madeIn(t: Owner, name: string): Promise<string> {
  const dir = await tempDir(t);
  await mustRun('skopeo', [
    ...['copy', '--quiet', '--src-tls-verify=false'],
    ...[`docker://${name}`, `dir:${dir}`],
  ]);
  const { layers } = JSON.parse(await mustRun('cat', [`${dir}/manifest.json`]));
  const last = layers.at(-1).digest.slice('sha256:'.length);
  return await mustRun('tar', ['-xzOf', `${dir}/${last}`, 'made']);
}
