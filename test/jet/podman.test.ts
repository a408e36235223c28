import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { type CommandLine, prepareCommandLine } from '../cli/in-process.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { type Podman, startPodmanService } from '../rig/podman.ts';
import { PODMAN_BASE, preparePodmanWithBase } from '../rig/podman-base.ts';
import { missingEngine } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { writeProject } from './project.ts';
import { registryRoot } from './registry-root.ts';

const skip = missingEngine('podman', 'busybox', 'runc', 'docker-registry', 'htpasswd');

suite('pipelines with containers of a running Podman', { skip }, () => {
  let podman: Podman;
  let slipway: CommandLine;

  before(async () => {
    podman = await preparePodmanWithBase(THIS_FILE);
    const { tar, command } = await registryRoot(THIS_FILE);
    await podman.podman('import', '--change', command, tar, 'localhost/registry:latest');
    const DOCKER_HOST = await startPodmanService(THIS_FILE, podman);
    slipway = await prepareCommandLine(THIS_FILE, { DOCKER_HOST });
  });

  test('a command runs, an image is built, pushed and pulled back', async (t) => {
    const { host } = await startDockerRegistry(t, { users: { me: 'pass-word-3' } });
    const auth = Buffer.from('me:pass-word-3').toString('base64');
    const dir = await writeProject(t, {
      Dockerfile: 'FROM scratch\nCOPY file /file\n',
      file: 'content\n',
      'codeship-services.yml': `
data: {image: "${PODMAN_BASE}", command: sh -c "echo from data > /data/file", volumes: [/data]}
web:
  image: "${PODMAN_BASE}"
  command: sh -c "echo from web > /file; exec /bin/busybox httpd -f -p 80 -h /"
test: {image: "${PODMAN_BASE}", volumes_from: [data], links: ["web:site"], environment: [A=1]}
generator:
  image: "${PODMAN_BASE}"
  environment: ['CONFIG={"auths":{"${host}":{"auth":"${auth}"}}}']
  entrypoint: [/bin/sh, -c, 'echo "$CONFIG" > "$0"']
app: {build: {image: ${host}/myapp}}
registry: {image: localhost/registry:latest}
client: {image: "${PODMAN_BASE}", links: ["registry:store"], add_docker: true}
`,
      'codeship-steps.yml': `
- name: look
  service: test
  command: sh -c "until cat /data/file; do :; done; until /bin/busybox wget -q -O - http://site/file; do :; done"
- name: ask
  service: client
  command: sh -c "until /bin/busybox wget -q -O - http://store:5000/v2/; do /bin/busybox sleep 0.1; done; echo; [ -S /var/run/docker.sock ] && echo $CONTAINER_HOST"
- {name: out, service: app, type: push, image_name: ${host}/myapp, dockercfg_service: generator}
- {name: bad, service: test, command: sh -c "exit 5"}
`,
    });
    const { code, stdout, stderr } = await slipway.run(['jet', 'steps', '--push', '--dir', dir]);
    assert.equal(code, 20, stderr);
    assert.match(stdout, /^\(step: look\) from data$/m);
    assert.match(stdout, /^\(step: look\) from web$/m);
    assert.match(stdout, /^\(step: ask\) \{\}$/m);
    assert.match(stdout, /^\(step: ask\) unix:\/\/\/var\/run\/docker\.sock$/m);
    assert.match(stdout, /^\(step: out\) success ✔$/m, stderr);
    assert.match(stdout, /^\(step: bad\) failed ✗ the command ended with status 5$/m);
    assert.equal(await podman.podman('ps', '--all', '--quiet'), '');
    assert.doesNotMatch(await podman.podman('network', 'ls'), /jet-/);
    assert.equal(await podman.podman('volume', 'ls', '--quiet'), '');
    const words = ['--creds', 'me:pass-word-3', '--tls-verify=false', `${host}/myapp`];
    await podman.podman('pull', ...words);
  });
});
