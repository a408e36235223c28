import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { verifyName } from '../../src/upkeep/settle.ts';
import { verifyImage } from '../../src/upkeep/verify.ts';
import { putImage } from '../content/images.ts';
import { blobOf, connect } from '../registry/clients.ts';
import { errors, startFakeRegistry } from '../registry/fake-registry.ts';
import type { Owner } from '../rig/lifetime.ts';
import { assertPrompt } from '../rig/promptly.ts';

/** A registry that shows a tag, and the blobs, as they were from `lag` until `catchUp`. */
async function laggingRegistry(owner: Owner) {
  let isLate = false;
  let shown: Buffer | undefined;
  const fake = await startFakeRegistry(owner, ({ what, url, answer }) => {
    if (!isLate || !what.startsWith('HEAD')) return false;
    if (url.pathname.endsWith('/manifests/1') && shown !== undefined) {
      const type = 'application/vnd.oci.image.manifest.v1+json';
      answer(200, { 'content-type': type, 'docker-content-digest': digestOf(shown) }, shown);
    } else answer(404, {}, errors('MANIFEST_UNKNOWN'));
    return true;
  });
  const { repository } = connect(owner, fake.host);
  const publish = async (note: string) => {
    const image = await putImage(repository, { layers: [blobOf(50, note).bytes] });
    await repository.tag(image, '1', (offset) => repository.fetch(image, { offset }));
    return image;
  };
  const lag = () => {
    shown = fake.manifests.get('team/app:1')?.bytes;
    isLate = true;
  };
  const catchUp = () => {
    isLate = false;
  };
  return { repository, publish, lag, catchUp, fake };
}

test('a tag that still shows the old digest is asked again', async (t) => {
  const { repository, publish, lag, catchUp } = await laggingRegistry(t);
  await publish('a');
  lag();
  const image = await putImage(repository, { layers: [blobOf(50, 'b').bytes] });
  // Its answer to the PUT is right, what it shows for a while is not.
  await repository.tag(image, '1', (offset) => repository.fetch(image, { offset }));
  await assert.rejects(verifyName(repository, '1', image.digest), { code: 'DIGEST_MISMATCH' });
  setTimeout(catchUp, 300);
  const found = await verifyName(repository, '1', image.digest, { waitMs: 60_000 });
  assert.equal(found.digest, image.digest);
});

test('blobs that are not shown yet are asked for again', async (t) => {
  const { repository, publish, lag, catchUp } = await laggingRegistry(t);
  const image = await publish('a');
  lag();
  await assert.rejects(verifyImage(repository, image.digest), { code: 'NOT_FOUND' });
  setTimeout(catchUp, 300);
  const { blobs } = await verifyImage(repository, image.digest, { waitMs: 60_000 });
  assert.equal(blobs, 2);
});

test('waiting has an end, and an abort ends it at once', async (t) => {
  const { repository, publish, lag } = await laggingRegistry(t);
  const image = await publish('a');
  lag();
  const other = digestOf('another');
  const startedAt = performance.now();
  await assert.rejects(verifyName(repository, '1', other, { waitMs: 500 }), {
    code: 'DIGEST_MISMATCH',
  });
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs >= 450, `${tookMs}`);
  await assertPrompt(tookMs, 5_000);
  const signal = AbortSignal.timeout(100);
  await assert.rejects(verifyName(repository, '1', other, { waitMs: 600_000, signal }), {
    name: /TimeoutError|AbortError/,
  });
  await assertPrompt(performance.now() - startedAt, 10_000);
  assert.notEqual(image.digest, other);
});

test('a damaged byte is not waited for', async (t) => {
  const { repository, publish, fake } = await laggingRegistry(t);
  const image = await publish('a');
  for (const [digest, bytes] of fake.blobs) {
    const flipped = Buffer.from(bytes);
    flipped[0] = (flipped[0] ?? 0) ^ 1;
    fake.blobs.set(digest, flipped);
  }
  const startedAt = performance.now();
  await assert.rejects(verifyImage(repository, image.digest, { deep: true, waitMs: 600_000 }), {
    code: 'DIGEST_MISMATCH',
  });
  await assertPrompt(performance.now() - startedAt, 5_000);
});
