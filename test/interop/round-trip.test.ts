import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { suite, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { addImage, blobFile, startLayout } from '../rig/layouts.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { missing, mustRun } from '../rig/programs.ts';
import { skopeoCopy, skopeoInspect } from '../rig/skopeo.ts';
import { prepareSlipway } from '../rig/slipway.ts';

const skip = missing('docker-registry', 'skopeo', 'tar');
const PLATFORMS = ['amd64', 'arm64', 's390x'];

suite('an image keeps its bytes wherever it goes', { skip }, () => {
  test('an index goes store, registry, store, archive with one digest', async (t) => {
    const { layout, digest } = await layoutWithIndex(t);
    const { host } = await startDockerRegistry(t);
    const first = await prepareSlipway(t);
    const name = `${host}/multi/app:1`;

    await first.must(['copy', `oci:${layout}:multi`, name]);
    await first.must(['push', name]);
    assert.equal(digestOf(await skopeoRaw(name)), digest);

    const second = await prepareSlipway(t);
    await second.must(['pull', '--all-platforms', name]);
    const archive = path.join(await tempDir(t), 'multi.tar');
    await second.must(['copy', name, `oci-archive:${archive}:multi`]);
    const unpacked = await tempDir(t);
    await mustRun('tar', ['-C', unpacked, '-xf', archive]);
    const index = JSON.parse(await readFile(path.join(unpacked, 'index.json'), 'utf8'));
    assert.equal(index.manifests[0].digest, digest);

    const other = `${host}/multi/other:1`;
    await skopeoCopy(
      `oci-archive:${archive}:multi`,
      `docker://${other}`,
      '--all',
      '--preserve-digests',
    );
    assert.equal(digestOf(await skopeoRaw(other)), digest);
    const served = `${await second.serve()}/multi/app:1`;
    await second.must(['copy', `oci-archive:${archive}:multi`, `docker://${served}`]);
    assert.equal(digestOf(await skopeoRaw(served)), digest);
    const verified = await second.run(['verify', '--deep', served]);
    assert.equal(verified.code, 0, verified.stderr);
  });

  test('one platform of an index arrives as the manifest that it is', async (t) => {
    const { layout, digest } = await layoutWithIndex(t);
    const slipway = await prepareSlipway(t);
    const name = `${await slipway.serve()}/one/app:1`;
    const flags = ['--platform', 'linux/arm64', '--single'];
    await slipway.must(['push', ...flags, '--from', `oci:${layout}:multi`, name]);
    const { Digest } = await skopeoInspect(name);
    const index = JSON.parse(await readFile(blobFile(layout, digest), 'utf8'));
    assert.equal(Digest, index.manifests[PLATFORMS.indexOf('arm64')].digest);
  });

  function skopeoRaw(name: string): Promise<string> {
    return mustRun('skopeo', ['inspect', '--raw', '--tls-verify=false', `docker://${name}`]);
  }
});

/** A layout with an index of three platforms, named `multi`. */
async function layoutWithIndex(owner: Owner): Promise<{ layout: string; digest: string }> {
  const layout = await startLayout(owner);
  const manifests: unknown[] = [];
  for (const architecture of PLATFORMS) {
    // The end of an archive alone is an empty archive.
    const tar = Buffer.alloc(1024);
    const layer = await layout.add(gzipSync(tar), MEDIA_TYPE.ociLayerGzip);
    const image = await addImage(layout, architecture, [{ layer, diffId: digestOf(tar) }]);
    manifests.push({ ...image, platform: { os: 'linux', architecture } });
  }
  const index = await layout.addJson(
    { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests },
    MEDIA_TYPE.ociIndex,
  );
  await layout.name(index, 'multi');
  return { layout: layout.dir, digest: index.digest };
}
