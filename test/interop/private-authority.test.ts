import assert from 'node:assert/strict';
import { before, suite, test } from 'node:test';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { addImage, startLayout } from '../rig/layouts.ts';
import { missing } from '../rig/programs.ts';
import { type Recorder, startRecorder } from '../rig/recorder.ts';
import { prepareSlipway, type Slipway } from '../rig/slipway.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { startTlsFront, type TlsFront } from '../rig/tls-front.ts';

const skip = missing('docker-registry', 'nginx', 'openssl', 'htpasswd');

suite('a registry whose certificate nobody knows', { skip }, () => {
  let slipway: Slipway;
  let front: TlsFront;
  let recorder: Recorder;
  let layout: string;

  before(async () => {
    slipway = await prepareSlipway(THIS_FILE);
    const users = { tester: 'secret' };
    const registry = await startDockerRegistry(THIS_FILE, { users });
    recorder = await startRecorder(THIS_FILE, registry.host);
    front = await startTlsFront(THIS_FILE, recorder.host);
    await slipway.knowPasswords({ [front.host]: 'tester:secret' });
    const handmade = await startLayout(THIS_FILE);
    await handmade.name(await addImage(handmade, 'amd64', []), '1');
    layout = handmade.dir;
  });

  function push(flags: readonly string[], env: Record<string, string> = {}) {
    const args = ['push', '--retries', '0', ...flags, '--from', `oci:${layout}:1`];
    return slipway.run([...args, `${front.host}/app:1`], { env });
  }

  test('is refused, and never spoken to without TLS instead', async () => {
    const { code, stderr } = await push([]);
    assert.equal(code, 16, stderr);
    assert.match(stderr, /certificate/i);
    assert.deepEqual(recorder.requests, []);
  });

  test('is trusted when its authority is named', async () => {
    const { code, stderr } = await push([], { NODE_EXTRA_CA_CERTS: front.caFile });
    assert.equal(code, 0, stderr);
  });

  test('is trusted when the user says so, for that host', async () => {
    const refused = await push(['--skip-tls-verify', 'other.invalid']);
    assert.equal(refused.code, 16, refused.stderr);
    const { code, stderr } = await push(['--skip-tls-verify', front.host]);
    assert.equal(code, 0, stderr);
  });
});
