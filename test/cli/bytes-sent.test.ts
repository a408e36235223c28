import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { addImage, startLayout } from '../rig/layouts.ts';
import { prepareSlipway } from '../rig/slipway.ts';

interface Manifest {
  readonly config: { readonly size: number };
  readonly layers: readonly { readonly size: number }[];
}

test('layers that are compressed on the way count once as sent', async (t) => {
  const slipway = await prepareSlipway(t);
  const host = await slipway.serve();
  const layout = await startLayout(t);
  const layers = [];
  for (const sizeBytes of [300_000, 70_000]) {
    const layer = await layout.add(randomBytes(sizeBytes), MEDIA_TYPE.ociLayer);
    layers.push({ layer, diffId: layer.digest });
  }
  await layout.name(await addImage(layout, 'amd64', layers), 'x');
  const push = async (tag: string) => {
    const args = ['push', '--from', `oci:${layout.dir}:x`, `${host}/app:${tag}`];
    const lines = await slipway.must([...args, '--format', 'json', '--progress', 'none']);
    return JSON.parse(lines.join('\n')).destinations[0];
  };
  const first = await push('1');
  const answer = await fetch(`http://${host}/v2/app/manifests/1`);
  const text = await answer.text();
  const manifest = JSON.parse(text) as Manifest;
  const blobs = [manifest.config, ...manifest.layers];
  const blobBytes = blobs.reduce((sum, { size }) => sum + size, 0);
  // The manifest goes under its tag, and may go under its digest before.
  const manifests = (first.bytesSent - blobBytes) / text.length;
  assert.ok(manifests === 1 || manifests === 2, `${first.bytesSent} sent, ${blobBytes} of blobs`);
  assert.equal(first.bytesPresent, 0);
});
