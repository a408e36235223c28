import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { startRegistry } from '../../src/server/registry.ts';
import { held, makeImage, type TestImage } from '../faults/image.ts';
import { startFaultProxy } from '../faults/proxy.ts';
import { atEnd, tempDir } from '../rig/lifetime.ts';
import { LONG } from '../rig/long.ts';
import { missing } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { start, until } from './rig.ts';

const MIB = 1024 * 1024;
const LAYER_BYTES = (LONG ? 500 : 96) * MIB;
const KILLS = LONG ? 20 : 4;
const CHUNK_BYTES = 16 * MIB;
/** config, manifest, and what the kernel had taken of a body and the registry never saw */
const SLACK_BYTES = MIB;

describe('kill -9 in the middle of a layer', { skip: missing('tar') }, () => {
  let image: TestImage;
  let upstream: string;

  before(async () => {
    image = await makeImage(THIS_FILE, [LAYER_BYTES]);
    const registry = await startRegistry();
    atEnd(THIS_FILE, () => registry.close());
    upstream = registry.host;
  });

  for (let kill = 0; kill < KILLS; kill++) {
    // One point in each part of the layer, somewhere in it.
    const share = (kill + Math.random()) / KILLS;
    it(`at ${(share * 100).toFixed(1)} % the next run sends at most a chunk again`, async (t) => {
      const proxy = await startFaultProxy(t, upstream, []);
      const home = await tempDir(t);
      const repository = `killed/${kill}`;
      const target = `docker://${proxy.host}/${repository}:1`;
      const sent = () => proxy.passed.reduce((sum, { bytes }) => sum + bytes, 0);
      const args = ['copy', '--progress', 'plain', `oci:${image.layout}:1`, target];

      const first = start(t, home, args);
      await until(() => sent() >= share * image.layerBytes, 'the point of the kill');
      first.kill('SIGKILL');
      assert.equal((await first.ended).code, null, 'it had ended before it was killed');

      const { code, text } = await start(t, home, args).ended;
      assert.equal(code, 0, text);
      assert.equal(await held(upstream, repository, '1'), image.root.digest);
      const again = sent() - image.layerBytes;
      assert.ok(again <= CHUNK_BYTES + SLACK_BYTES, `${again} bytes were sent again\n${text}`);
    });
  }
});
