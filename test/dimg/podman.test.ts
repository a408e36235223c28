import assert from 'node:assert/strict';
import { test } from 'node:test';
import { preparePodman, startPodmanService } from '../rig/podman.ts';
import { missingEngine } from '../rig/programs.ts';
import { makeProject, prepareDimg } from './scene.ts';

const skip = missingEngine('git', 'podman', 'runc');

test('stages run their commands in podman, too', { skip }, async (t) => {
  const podman = await preparePodman(t);
  const DOCKER_HOST = await startPodmanService(t, podman);
  const { dimg, tryDimg, program } = await prepareDimg(t, { DOCKER_HOST });
  const { folder } = await makeProject(t, {
    'werf.yaml': `
dimg: ~
from: base
git: [{ to: /app }]
shell: { install: [cat /app/a > /made, busybox rm /bin/echo], setup: 'true' }
docker: { CMD: [sh] }
`,
    a: 'text\n',
  });
  const none = '--network=none';
  const built = await dimg(folder, 'build', none);
  assert.ok(built.includes('dimg: install [OK]') && built.includes('dimg: setup [OK]'));
  const again = await dimg(folder, 'build', none);
  assert.ok(again.every((each) => each.endsWith('[USING CACHE]')));
  await dimg(folder, 'tag', 'x/y');
  const run = ['run', none, 'x/y', 'sh', '-c', 'cat /made /bin/echo'];
  const { stdout, stderr } = await program.run(run, { env: { DOCKER_HOST } });
  assert.equal(stdout, 'text\n', 'what was removed stays so');
  assert.match(stderr, /\/bin\/echo/);
  assert.equal((await tryDimg(folder, 'build', none)).code, 0);
  assert.equal(await podman.podman('ps', '--all', '--quiet'), '');
});
