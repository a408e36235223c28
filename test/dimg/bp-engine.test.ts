import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { startDockerd } from '../rig/dockerd.ts';
import { tempDir } from '../rig/lifetime.ts';
import { missingEngine } from '../rig/programs.ts';
import { startRecorder } from '../rig/recorder.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { makeProject, prepareDimg, statesIn } from './scene.ts';

const skip = missingEngine('git', 'docker', 'dockerd', 'docker-registry');
const none = '--network=none';

describe('bp of stages that run commands', { skip }, async () => {
  if (skip) return;
  const docker = await startDockerd(THIS_FILE);
  const { DOCKER_HOST = '' } = docker.env;
  const env = { DOCKER_HOST };
  const first = await prepareDimg(THIS_FILE, env);
  const { host } = await startDockerRegistry(THIS_FILE);

  it('sends layers while others are built, and names when all are', async (t) => {
    const seen = await tempDir(t);
    const at = (name: string) => path.join(seen, name);
    const early: string[] = [];
    const { host: recorded } = await startRecorder(t, host, ({ method, path }) => {
      if (method === 'PUT' && path.includes('/blobs/uploads/')) writeFileSync(at('blob'), '');
      if (method === 'PUT' && path.includes('/manifests/') && !existsSync(at('built'))) {
        early.push(path);
      }
      return undefined;
    });
    const wait = [
      'i=0',
      'while [ ! -e /seen/blob ]; do i=$((i+1)); [ $i -lt 600 ] || exit 9; busybox sleep 0.1; done',
      'echo > /seen/built',
    ];
    const { folder } = await makeProject(t, {
      'werf.yaml': [
        'dimg: a\nfrom: base\nshell: { install: [echo first > /first] }\n---',
        `dimg: b\nfrom: base\nmount: [{ from: ${seen}, to: /seen }]\nshell: { install: ${JSON.stringify(wait)} }\n`,
      ].join('\n'),
    });
    const told = await first.dimg(folder, 'bp', `${recorded}/ahead`, none, '--with-stages');
    assert.equal(told.at(-1), `${recorded}/ahead/b:latest [OK]`);
    assert.deepEqual(early, []);
  });

  it('is built once where two want it at once, and ends well with two stores', async (t) => {
    const { folder } = await makeProject(t, {
      'werf.yaml': ['a', 'b']
        .map(
          (name) => `dimg: ${name}\nfrom: base\nshell: { install: [echo ${name}-at-once > /x] }\n`,
        )
        .join('---\n'),
    });
    const other = await prepareDimg(t, env);
    const bp = async ({ program }: typeof first): Promise<readonly string[]> =>
      statesIn(
        await program.must(
          ['dimg', 'bp', `${host}/at-once`, '--with-stages', none, '--dir', folder],
          { env },
        ),
      );
    const runs = await Promise.all([bp(first), bp(first), bp(other)]);
    const built = runs
      .slice(0, 2)
      .flat()
      .filter((each) => each.endsWith('install [BUILDING]'));
    assert.deepEqual(built.sort(), ['dimg a: install [BUILDING]', 'dimg b: install [BUILDING]']);
    for (const run of runs) {
      const ends = run.slice(-2).map((each) => each.replace(/.*\/at-once/, ''));
      assert.ok(
        ends.every((each) => /^\/[ab]:latest \[(?:OK|EXIST)\]$/.test(each)),
        ends.join(),
      );
    }
    // Whoever was last: what stands there now is whole, and what anybody else may build on.
    const third = await prepareDimg(t, env);
    const from = ['--stages-from', `${host}/at-once`];
    const told = await third.dimg(folder, 'bp', `${host}/at-once`, ...from, none);
    assert.ok(!told.some((each) => each.endsWith('[BUILDING]')), told.join('\n'));
    assert.equal(await docker.docker('ps', '--all', '--quiet'), '');
  });

  it('of four with an artifact by a second host builds and sends what a commit changes', async (t) => {
    const names = ['api', 'core', 'queue', 'web'];
    const document = (name: string) => `---
dimg: ${name}
from: base
git: [{ add: /${name}, to: /app, stageDependencies: { setup: [conf] } }]
shell: { beforeInstall: [echo packages > /packages], setup: [cat /app/conf > /conf] }
import: [{ artifact: assets, add: /built, to: /public, after: setup }]
docker: { CMD: [sh] }
`;
    const assets =
      'project: four\n---\nartifact: assets\nfrom: base\ngit: [{ to: /src, add: /assets, stageDependencies: { install: ["*"] } }]\nshell: { install: [cat /src/style > /built] }\n';
    const project = await makeProject(t, {
      'werf.yaml': `${assets}${names.map(document).join('')}`,
      'assets/style': 's',
      ...Object.fromEntries(
        names.flatMap((name) => [
          [`${name}/main`, name],
          [`${name}/conf`, name],
        ]),
      ),
    });
    const { folder } = project;
    const repo = `${host}/four`;
    const bp = ['bp', repo, '--with-stages', '--stages-from', repo, none];
    const counted = async (line: typeof first) =>
      count(await line.tryDimg(folder, ...bp, '--progress', 'json'), host);
    const all = await counted(first);
    assert.equal(all.built.length, 25);
    const hosts = [await prepareDimg(t, env), await prepareDimg(t, env)] as const;

    await project.commit({ 'core/main': 'changed' });
    const patched = await counted(hosts[0]);
    assert.deepEqual(patched.built, [
      'dimg core: git_latest_patch',
      'dimg core: docker_instructions',
    ]);
    assert.equal(patched.pulled, 24);
    assert.equal(patched.layers, 1);

    // A file that a stage of the artifact depends on: what imports from it is made anew.
    await project.commit({ 'assets/style': 'other' });
    const imported = await counted(hosts[1]);
    t.diagnostic(JSON.stringify({ all: { ...all, built: all.built.length }, patched, imported }));
    assert.deepEqual(imported.built, [
      ...['assets: git_pre_install_patch', 'assets: install'].map((each) => `artifact ${each}`),
      ...names.flatMap((name) =>
        [
          'after_setup_artifact',
          ...(name === 'core' ? ['git_latest_patch'] : []),
          'docker_instructions',
        ].map((stage) => `dimg ${name}: ${stage}`),
      ),
    ]);
    const again = await counted(hosts[1]);
    assert.deepEqual([again.built, again.layers, again.blobs], [[], 0, 0]);
  });
});

/** What a run with `--progress json` built, and what it sent to a registry. */
function count(
  { code, stdout, stderr }: { code: number | null; stdout: string; stderr: string },
  host: string,
) {
  assert.equal(code, 0, stderr);
  const told = statesIn(stdout.split('\n'));
  const sent = stderr
    .split('\n')
    .filter((each) => each.startsWith('{'))
    .map((each) => JSON.parse(each))
    .filter(
      ({ type, status, target }) =>
        type === 'transfer.done' && status === 'uploaded' && String(target).startsWith(host),
    );
  const blobs = sent.filter(({ kind }) => kind === 'blob');
  const layers = blobs.filter(({ mediaType }) => /layer/.test(mediaType));
  const bytesOf = (some: readonly { size: number }[]) =>
    some.reduce((sum, { size }) => sum + size, 0);
  return {
    built: told.filter((each) => each.endsWith(' [BUILDING]')).map((each) => each.slice(0, -11)),
    pulled: told.filter((each) => each.endsWith(' [PULLING]')).length,
    ...{ layers: layers.length, layerBytes: bytesOf(layers) },
    ...{ blobs: blobs.length, blobBytes: bytesOf(blobs) },
    manifests: sent.length - blobs.length,
  };
}
