import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { containerLabels, removeLeftovers } from '../../src/dimg/engine-leftovers.ts';
import { runStage } from '../../src/dimg/run-stage.ts';
import { connectEngine, type Engine } from '../../src/engine/client.ts';
import { silent } from '../../src/events.ts';
import { openLayout } from '../../src/layout/layout.ts';
import { startDockerd } from '../rig/dockerd.ts';
import { atEnd, tempDir } from '../rig/lifetime.ts';
import { MAIN } from '../rig/main.ts';
import { missing, missingEngine } from '../rig/programs.ts';
import { atTerminal } from '../rig/terminal.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { makeProject, prepareDimg } from './scene.ts';

/** busybox's shell also asks the terminal where its cursor is */
const PROMPT = /[$#] (?:\u001b\[6n)?$/;
const prompted = (before: RegExp) => new RegExp(`${before.source}[\\s\\S]*${PROMPT.source}`);

const skip = missingEngine('git', 'docker', 'dockerd') || missing('script');

describe('containers of dimgs', { skip }, async () => {
  if (skip) return;
  const docker = await startDockerd(THIS_FILE);
  const { DOCKER_HOST = '' } = docker.env;
  const line = await prepareDimg(THIS_FILE, { DOCKER_HOST });
  const { dimg, tryDimg, program } = line;
  const none = '--network=none';
  const env = { ...program.env, DOCKER_HOST };

  const run = (folder: string, ...args: readonly string[]) =>
    program.run(['dimg', 'run', '--dir', folder, ...args], { env: { DOCKER_HOST, GIVEN: 'ours' } });
  const typed = (args: readonly string[], answers: readonly (readonly [RegExp, string])[]) =>
    atTerminal([process.execPath, MAIN, 'dimg', ...args], env, answers);
  const leftOver = (project = 'shop') =>
    docker.docker('ps', '--all', '--quiet', '--filter', `label=io.slipway.dimg=${project}`);

  describe('dimg run', () => {
    const files = {
      'werf.yaml': `
dimg: a
from: base
shell: { install: echo installed > /state, setup: echo set up > /state }
docker: { ENV: { WHO: a }, USER: '7', WORKDIR: /bin }
---
dimg: b
from: base
docker: { CMD: [sh, -c, exit 3] }
`,
    };

    it('runs a command or the own one, in the last stage or another, with options', async (t) => {
      const { folder } = await makeProject(t, files);
      const unbuilt = await tryDimg(folder, 'run', 'a', none);
      assert.equal(unbuilt.code, 12);
      assert.match(unbuilt.stderr, /dimg a, stage docker_instructions isn't built yet/);
      await dimg(folder, 'build', none);

      const last = await run(folder, 'a', none, '--', 'sh', '-c', 'id -u; pwd; cat /state');
      assert.deepEqual([last.stdout, last.code], ['7\n/bin\nset up\n', 0], last.stderr);
      const earlier = await run(folder, '--stage=install', none, 'a', '--', 'cat', '/state');
      assert.equal(earlier.stdout, 'installed\n');
      const set = ['-e', 'GIVEN', '-e', 'WHO=me', '-w', '/', '-u', '0', '-v', `${folder}:/of:ro`];
      const changed = await run(
        ...([folder, 'a', none, ...set, '--rm'] as const),
        ...['--', 'sh', '-c', 'echo $GIVEN $WHO; id -u; pwd; ls /of'],
      );
      assert.equal(changed.stdout, 'ours me\n0\n/\nwerf.yaml\n');
      // What stands after -- is the command's, and its status is told.
      const own = await run(folder, 'a', none, '--', 'sh', '-c', 'exit 4', '--dry-run');
      assert.deepEqual([own.code, /status 4/.test(own.stderr)], [20, true], own.stderr);
      assert.equal((await run(folder, 'b', none)).code, 20);
      assert.equal(await leftOver(), '');

      const words = ['-t', '-e', 'A=secret', '--', 'echo', "it's"];
      const dry = await line.run(['dimg', 'run', 'a', '--dir', folder, '--dry-run', ...words]);
      assert.match(
        dry.stdout,
        /^slipway run -t -e A=… dimgstage-shop:[0-9a-f]{64} echo 'it'\\''s'\n$/,
      );
    });

    it('refuses what is not one dimg, and a shell without a terminal', async (t) => {
      const { folder } = await makeProject(t, files);
      const refused = async (code: number, said: RegExp, ...args: readonly string[]) => {
        const { code: was, stderr } = await line.run(['dimg', 'run', '--dir', folder, ...args]);
        assert.equal(was, code, stderr);
        assert.match(stderr, said);
      };
      await refused(2, /Command can process only one dimg! .*`a`, `b`!/, none, '--', 'true');
      await refused(2, /only one dimg can be run/, 'a', 'b', none, '--', 'true');
      await refused(12, /No such dimg: `c`!/, 'c', none, '--', 'true');
      await refused(2, /the input device is not a TTY/, 'a');
      await refused(12, /dimg a has no stage "nowhere"/, 'a', '--stage', 'nowhere', '--', 'true');
    });

    it('opens a shell at a terminal', async (t) => {
      const { folder } = await makeProject(t, files);
      await dimg(folder, 'build', 'a', none);
      const { code, shown } = await typed(
        ['run', 'a', '--dir', folder],
        [[PROMPT, 'echo user $(id -u)\nexit 0\n']],
      );
      assert.equal(code, 0, shown);
      assert.match(shown, /user 7/);
      assert.equal(await leftOver(), '');
    });
  });

  it('that killed builds left are removed by dimg cleanup, others stay', async (t) => {
    const { folder } = await makeProject(t, {
      'werf.yaml':
        'dimg: ~\nfrom: base\nmount: [{ from: build_dir, to: /kept }]\nshell: { install: busybox sleep 600 }\n',
    });
    const args = [MAIN, 'dimg', 'build', none, '--dir', folder, '--name', 'killed'];
    const building = spawn(process.execPath, args, { env, stdio: 'ignore' });
    const ended = once(building, 'exit');
    const filter = ['--quiet', '--filter', 'label=io.slipway.dimg=killed'];
    while (building.exitCode === null && (await docker.docker('ps', ...filter)) === '') {
      await delay(50);
    }
    const cleanup = ['cleanup', '--name', 'killed'];
    assert.deepEqual(
      (await dimg(folder, ...cleanup)).filter((each) => each.includes(': container ')),
      [],
    );
    const kept = path.join(line.home, 'dimg-build', 'killed');
    const all = await line.run(['dimg', 'mrproper', '--all']);
    assert.ok(all.stderr.includes(`${kept} stays: a running build uses it`), all.stderr);
    assert.equal(building.exitCode, null);
    building.kill('SIGKILL');
    await ended;
    const would = await dimg(folder, ...cleanup, '--dry-run');
    assert.equal(would.filter((each) => each.includes(': container ')).length, 1, would.join());
    assert.notEqual(await docker.docker('ps', ...filter), '');
    await dimg(folder, ...cleanup);
    assert.equal(await docker.docker('ps', '--all', ...filter), '');
    const images = ['images', '--quiet', '--filter', 'label=werf=killed'];
    assert.equal(await docker.docker(...images, '--filter', 'dangling=true'), '');
    assert.deepEqual(await dimg(folder, ...cleanup), ['']);
    assert.ok((await line.must(['dimg', 'mrproper', '--all'])).includes(kept));
  });

  it('a stage is built though dimg cleanup runs beside it at any moment', async (t) => {
    const { folder } = await makeProject(t, { 'werf.yaml': 'dimg: ~\nfrom: base\n' });
    await dimg(folder, 'build', '--name', 'beside');
    const [name = ''] = await dimg(folder, 'stage', 'image', '--name', 'beside');
    const store = await openLayout(path.join(line.home, 'store'));
    atEnd(t, () => store.close());
    const engine = await connectEngine({ env: { DOCKER_HOST } });
    atEnd(t, () => engine.close());
    const removed: string[] = [];
    const cleanUp = () =>
      removeLeftovers(engine, undefined, { tell: (what) => removed.push(what), dryRun: false });
    let isFirst = true;
    const cleaned: Engine = {
      ...engine,
      async json(request) {
        // What the container is made of has come, and what was kept of it isn't taken yet.
        if (request.path === '/containers/create' && isFirst) {
          isFirst = false;
          await cleanUp();
          assert.equal(removed.length, 1);
        }
        const answer = await engine.json(request);
        if (request.path === '/commit') await cleanUp();
        return answer;
      },
    };
    const root = await store.resolve(`docker.io/library/${name}`, {});
    const made = await runStage({
      ...{ engine: cleaned, store, root, commands: ['echo x > /x'], volumes: [], network: 'none' },
      ...{ spoolDir: await tempDir(t), name: 'dimg, stage install', signal: undefined },
      labels: containerLabels('beside'),
      emit: silent,
    });
    assert.notEqual(made.digest, root.digest);
    assert.equal(removed.length, 1, removed.join());
    assert.equal(await leftOver('beside'), '');
  });

  describe('--introspect', () => {
    const files = {
      'werf.yaml': `
artifact: made
from: base
shell: { install: echo made > /made }
---
dimg: ~
from: base
shell:
  beforeInstall: echo before > /state
  install: [echo changed > /state, cat /cache/x, exit 7]
mount: [{ from: build_dir, to: /cache }]
import: [{ artifact: made, add: /made, before: install }]
`,
    };

    it('opens shells in stages that are built, and where commands failed', async (t) => {
      const { folder } = await makeProject(t, files);
      const { code, shown } = await typed(
        [
          ...['build', none, '--dir', folder, '--introspect-error', '--introspect-before-error'],
          ...['--introspect-artifact-stage=install', '--introspect-before=before_install_artifact'],
        ],
        [
          [prompted(/artifact made: after stage install: a shell/), 'cat /made; exit 5\n'],
          [prompted(/dimg: before stage before_install_artifact: a shell/), 'cat /state; exit\n'],
          [
            prompted(/install, after it failed: a shell/),
            'cat /state; echo kept > /cache/x; exit\n',
          ],
          [prompted(/install, before it failed: a shell/), 'cat /state /cache/x; exit\n'],
        ],
      );
      assert.equal(code, 20, shown);
      const flat = shown.replaceAll('\r', '');
      const answers = [...flat.matchAll(/(?:exit 5|exit)\n([a-z\n]+)\n/g)].map(([, said]) => said);
      assert.deepEqual(answers, ['made', 'before', 'changed', 'before\nkept'], shown);
      assert.match(flat, /dimg, stage install failed: a command ended with status 1/);
      assert.equal(await leftOver(), '');
    });

    it('needs a terminal, a stage that can be, and says if the build came to none', async (t) => {
      const { folder } = await makeProject(t, { 'werf.yaml': 'dimg: ~\nfrom: base\n' });
      const without = await tryDimg(folder, 'build', '--introspect-stage', 'install');
      assert.equal(without.code, 2);
      assert.match(without.stderr, /there is no terminal for the shell of --introspect-…/);
      const unknown = await tryDimg(folder, 'build', '--introspect-stage', 'nowhere');
      assert.equal(unknown.code, 2);
      assert.match(
        unknown.stderr,
        /no stage "nowhere"\n {2}hint: expected is one of from, before_/,
      );
      const below = await tryDimg(folder, 'build', '--introspect-before', 'from');
      assert.match(below.stderr, /nothing stands before the stage from/);
      const { code, shown } = await typed(
        ['build', '--introspect-stage=setup', '--dir', folder],
        [],
      );
      assert.equal(code, 0, shown);
      assert.match(shown, /no shell was opened: the build came to no stage setup of a dimg/);
    });

    it('of a failure only warns where there is no terminal', async (t) => {
      const { folder } = await makeProject(t, files);
      const { code, stderr } = await tryDimg(folder, 'build', none, '--introspect-error');
      assert.equal(code, 20);
      assert.match(stderr, /warning: there is no terminal to look into dimg, stage install/);
    });
  });
});
