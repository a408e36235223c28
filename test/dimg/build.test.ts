import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { startDockerd } from '../rig/dockerd.ts';
import { missingEngine } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { makeProject, prepareDimg } from './scene.ts';

const skip = missingEngine('git', 'docker', 'dockerd');

describe('stages that run commands', { skip }, async () => {
  if (skip) return;
  const docker = await startDockerd(THIS_FILE);
  const { DOCKER_HOST = '' } = docker.env;
  const line = await prepareDimg(THIS_FILE, { DOCKER_HOST });
  const { dimg, tryDimg, program } = line;
  const says = async (image: string, script: string) =>
    await program.must(['run', '--network=none', image, 'sh', '-c', script], {
      env: { DOCKER_HOST },
    });

  it('see files of git, mounts and imports, and are built once', async (t) => {
    const project = await makeProject(t, {
      'werf.yaml': `
artifact: assets
from: base
shell: { install: 'echo made > /made; echo skipped > /skipped' }
---
dimg: backend
from: base
git:
- to: /app
  owner: 7
  group: 8
  stageDependencies: { setup: [conf/*] }
shell:
  beforeInstall: ['echo once > /once', 'echo cached > /cache/x']
  setup: [cat /app/conf/c > /conf, 'echo "setup says $(cat /cache/x)"']
mount: [{ from: build_dir, to: /cache }]
import: [{ artifact: assets, add: /made, to: /app/made, before: setup }]
docker: { CMD: [sh] }
---
dimg: derived
fromDimg: backend
docker: { ENV: { B: '2' } }
`,
      'conf/c': 'first\n',
      other: 'a',
    });
    const { folder } = project;
    const none = '--network=none';
    const built = await dimg(folder, 'build', none);
    assert.deepEqual(
      built.filter((each) => !each.endsWith('[BUILDING]')),
      [
        'artifact assets: from [OK]',
        'artifact assets: install [OK]',
        'dimg backend: from [OK]',
        'dimg backend: before_install [OK]',
        'dimg backend: git_archive [OK]',
        'dimg backend: before_setup_artifact [OK]',
        'dimg backend: git_pre_setup_patch [OK]',
        'dimg backend: setup [OK]',
        'dimg backend: docker_instructions [OK]',
        'dimg derived: from [OK]',
        'dimg derived: docker_instructions [OK]',
      ],
    );
    await dimg(folder, 'tag', 'x/y');
    const script = 'cat /once /conf /app/made; ls -ln /app/other; ls /cache; echo $B';
    const [once, conf, made, owner, ...rest] = await says('x/y/derived', script);
    assert.deepEqual([once, conf, made, ...rest], ['once', 'first', 'made', '2']);
    assert.match(owner ?? '', /^-rw-r--r-- +1 7 +8 /);

    // A file that no stage depends on is a patch; one that setup depends on lets it run again.
    await project.commit({ other: 'b' });
    const patched = await dimg(folder, 'build', 'backend', none);
    assert.deepEqual(
      patched.filter((each) => each.endsWith('[OK]')),
      ['dimg backend: git_latest_patch [OK]', 'dimg backend: docker_instructions [OK]'],
    );
    await project.commit({ 'conf/c': 'second\n' });
    const rebuilt = await dimg(folder, 'build', 'backend', none);
    assert.deepEqual(
      rebuilt.filter((each) => each.endsWith('[OK]')),
      [
        'dimg backend: git_pre_setup_patch [OK]',
        'dimg backend: setup [OK]',
        'dimg backend: docker_instructions [OK]',
      ],
    );
    await dimg(folder, 'tag', 'backend', 'x/y');
    assert.deepEqual(await says('x/y/backend', 'cat /conf /app/other'), ['second', 'b']);
    assert.equal(await docker.docker('ps', '--all', '--quiet'), '');
  });

  it('that fail tell what was printed, and keep the stages before them', async (t) => {
    const { folder } = await makeProject(t, {
      'werf.yaml': `
dimg: ~
from: base
shell: { beforeInstall: echo fine > /fine, install: [echo it is broken, exit 7, echo never] }
`,
    });
    const failed = await tryDimg(folder, 'build', '--network=none');
    assert.equal(failed.code, 20);
    assert.match(failed.stdout, /dimg: install +\[FAILED\]/);
    assert.match(failed.stderr, /dimg, stage install failed: a command ended with status 7/);
    assert.match(failed.stderr, /hint: it printed: it is broken$/m);
    assert.equal(await docker.docker('ps', '--all', '--quiet'), '');
    const again = await tryDimg(folder, 'build', '--network=none');
    assert.match(again.stdout, /dimg: before_install +\[USING CACHE\]/);
  });

  it('are built by one of two processes that want them at once', async (t) => {
    const { folder } = await makeProject(t, {
      'werf.yaml':
        'dimg: ~\nfrom: base\nshell: { install: [head -c 100 /dev/urandom > /x, echo at once] }\n',
    });
    const build = () =>
      program.must(['dimg', 'build', '--network=none', '--dir', folder], { env: { DOCKER_HOST } });
    const both = await Promise.all([build(), build()]);
    const made = both.flat().filter((each) => /: install .*\[OK\]/.test(each));
    const used = both.flat().filter((each) => /: install .*\[USING CACHE\]/.test(each));
    assert.deepEqual([made.length, used.length], [1, 1]);
  });

  it('end with their container when they are interrupted', async (t) => {
    const { folder } = await makeProject(t, {
      'werf.yaml': 'dimg: ~\nfrom: base\nshell: { install: busybox sleep 600 }\n',
    });
    const stop = new AbortController();
    const args = ['dimg', 'build', '--network=none', '--dir', folder];
    const building = line.run(args, stop.signal, { DOCKER_HOST });
    let isOver = false;
    building.finally(() => {
      isOver = true;
    });
    while (!isOver && (await docker.docker('ps', '--quiet')) === '') await delay(50);
    stop.abort(new DOMException('interrupted', 'AbortError'));
    assert.equal((await building).code, 130);
    assert.equal(await docker.docker('ps', '--all', '--quiet'), '');
  });

  it('need an engine, and say so', async (t) => {
    const { folder } = await makeProject(t, {
      'werf.yaml': 'dimg: ~\nfrom: base\nshell: { install: echo nobody runs this }\n',
    });
    const alone = await line.run(['dimg', 'build', '--dir', folder], undefined, {
      DOCKER_HOST: 'unix:///nowhere/socket',
    });
    assert.equal(alone.code, 21);
  });
});
