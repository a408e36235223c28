import assert from 'node:assert/strict';
import path from 'node:path';
import { before, suite, test } from 'node:test';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { type Docker, startDockerd } from '../rig/dockerd.ts';
import { buildTestImage, importBase } from '../rig/images.ts';
import { tempDir } from '../rig/lifetime.ts';
import { missingEngine } from '../rig/programs.ts';
import { type Recorder, startRecorder } from '../rig/recorder.ts';
import { prepareSlipway, type Slipway } from '../rig/slipway.ts';
import { THIS_FILE } from '../rig/this-file.ts';

const skip = missingEngine('dockerd', 'docker', 'docker-registry');

suite('only what a registry lacks is sent', { skip }, () => {
  let engine: Docker;
  let slipway: Slipway;
  /** recorders before Debian's registry and the embedded one, by their names */
  const recorders = new Map<string, Recorder>();
  const archives: string[] = [];

  before(async () => {
    slipway = await prepareSlipway(THIS_FILE);
    engine = await startDockerd(THIS_FILE);
    const { host } = await startDockerRegistry(THIS_FILE);
    recorders.set('docker-registry', await startRecorder(THIS_FILE, host));
    recorders.set('slipway', await startRecorder(THIS_FILE, await slipway.serve()));
    await importBase(THIS_FILE, engine);
    const folder = await tempDir(THIS_FILE);
    for (const version of ['1', '2']) {
      await buildTestImage(THIS_FILE, engine, `app:${version}`, `version ${version}`);
      const file = path.join(folder, `${version}.tar`);
      await engine.docker('save', '-o', file, `app:${version}`);
      archives.push(file);
    }
  });

  /** Pushes a version and gives what passed by the registry. */
  async function push(registry: string, version: 1 | 2, name: string) {
    const recorder = recorders.get(registry);
    assert.ok(recorder);
    recorder.clear();
    const from = `docker-archive:${archives[version - 1]}`;
    const args = ['push', '--format', 'json', '--from', from, `${recorder.host}/${name}`];
    const json = (await slipway.must(args)).join('');
    const requests = [...recorder.requests];
    const sent = requests.filter(
      ({ method, path: url }) => /^P/.test(method) && /\/blobs\//.test(url),
    );
    return {
      requests,
      uploads: sent.filter(({ bytes }) => bytes > 0),
      mounts: sent.filter(({ path: url, status }) => url.includes('mount=') && status === 201),
      result: JSON.parse(json).destinations[0] as Readonly<Record<string, unknown>>,
    };
  }

  for (const registry of ['docker-registry', 'slipway']) {
    test(`a second push sends no blob (${registry})`, async () => {
      const first = await push(registry, 1, 'again:1');
      // base, shared, made, text and the config
      assert.equal(first.uploads.length, 5);
      const second = await push(registry, 1, 'again:1');
      assert.deepEqual(second.uploads, []);
      assert.ok(
        second.requests.every(({ method }) => method === 'GET' || method === 'HEAD'),
        JSON.stringify(second.requests),
      );
      assert.ok(second.requests.length <= 3, `${second.requests.length} requests`);
      assert.equal(second.result.digest, first.result.digest);
      assert.equal(second.result.bytesSent, 0);
    });

    test(`a version that shares layers sends only the others (${registry})`, async () => {
      await push(registry, 1, 'versions:1');
      const second = await push(registry, 2, 'versions:2');
      // the text and the config
      assert.equal(second.uploads.length, 2);
    });

    test(`another repository of the same registry gets its layers by mount (${registry})`, async () => {
      await push(registry, 1, 'mounted/from:1');
      const other = await push(registry, 1, 'mounted/to:1');
      assert.deepEqual(other.uploads, []);
      assert.equal(other.mounts.length, 5);
      const { host } = recorders.get(registry) ?? { host: '' };
      const output = await engine.docker('run', '--rm', '--network=none', `${host}/mounted/to:1`);
      assert.equal(output, 'version 1');
    });
  }
});
