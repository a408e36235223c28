import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { sha } from '../rig.ts';
import { blobPath, type Case, expectStatus, inside, OTHER_REPO } from './cases.ts';
import {
  cancel,
  chunked,
  deleteBlob,
  getBlob,
  headBlob,
  mount,
  mountMissing,
  postOnly,
  postPut,
  type SentBlob,
  stream,
} from './pushes.ts';

const SMALL_BYTES = 512;
/** spans three chunks */
const LONG_BYTES = 3 * 1024 - 5;

/** "sha256 blobs" and "sha512 blobs" of the suite. */
export async function blobCases(suite: Case, algorithm: string): Promise<void> {
  await inside(suite, `${algorithm} blobs`, async (on) => {
    const make = (sizeBytes: number): SentBlob => {
      const bytes = randomBytes(sizeBytes);
      return { bytes, digest: sha(bytes, algorithm) };
    };
    await inside(on, 'get-missing', async (child) => {
      await expectStatus(child, 404, 'GET', blobPath(make(SMALL_BYTES).digest));
    });
    await waysToPush(on, make);
    await inside(on, 'range requests', (child) => rangeCases(child, make(2048)));
    for (const [name, text] of [
      ['empty', ''],
      ['emptyJSON', '{}'],
    ] as const) {
      const bytes = Buffer.from(text);
      await pushed(on, name, { bytes, digest: sha(bytes, algorithm) }, 'blob-post-put', postPut);
    }
    await badDigests(on, () => {
      const { bytes, digest } = make(LONG_BYTES);
      return { digest, bytes: Buffer.concat([bytes, Buffer.from('oh no')]) };
    });
  });
}

type Push = (on: Case, blob: SentBlob) => Promise<void>;

/** Pushes in one way, then looks, pulls and deletes. */
async function pushed(
  on: Case,
  name: string,
  blob: SentBlob,
  caseName: string,
  push: Push,
  { first, repositories = [] }: { readonly first?: Push; repositories?: readonly string[] } = {},
): Promise<void> {
  await inside(on, name, async (group) => {
    if (first !== undefined) await inside(group, 'blob-post-put', (child) => first(child, blob));
    await inside(group, caseName, (child) => push(child, blob));
    await inside(group, 'blob-head', (child) => headBlob(child, blob));
    await inside(group, 'blob-get', (child) => getBlob(child, blob));
    await inside(group, 'blob-delete', (child) => deleteBlob(child, blob.digest));
    for (const repository of repositories) {
      await inside(group, 'blob-delete', (child) => deleteBlob(child, blob.digest, repository));
    }
  });
}

async function waysToPush(on: Case, make: (sizeBytes: number) => SentBlob): Promise<void> {
  const small = () => make(SMALL_BYTES);
  const long = () => make(LONG_BYTES);
  await pushed(on, 'post only', small(), 'blob-post-only', postOnly);
  await pushed(on, 'post+put', small(), 'blob-post-put', postPut);
  await pushed(on, 'chunked single', small(), 'blob-patch-chunked', chunked);
  await pushed(on, 'stream', small(), 'blob-patch-stream', stream);
  const elsewhere = {
    first: (child: Case, blob: SentBlob) => postPut(child, blob, { repository: OTHER_REPO }),
    repositories: [OTHER_REPO],
  };
  const fromOther: Push = (child, blob) => mount(child, blob, OTHER_REPO);
  await pushed(on, 'mount', small(), 'blob-mount', fromOther, elsewhere);
  const fromAny: Push = (child, blob) => mount(child, blob);
  await pushed(on, 'mount anonymous', small(), 'blob-mount-anonymous', fromAny, elsewhere);
  const fromNowhere: Push = (child, blob) => mountMissing(child, blob, OTHER_REPO);
  await pushed(on, 'mount missing', small(), 'blob-mount', fromNowhere);
  await inside(on, 'post cancel', async (group) => {
    await inside(group, 'blob-post-cancel', cancel);
    await inside(group, 'blob-delete', (child) => deleteBlob(child, small().digest));
  });
  for (const [name, how] of [
    ['chunked multi', {}],
    ['chunked multi and put chunk', { putLast: true }],
    ['chunked out-of-order', { outOfOrder: true }],
    ['chunked out-of-order and put chunk', { outOfOrder: true, putLast: true }],
  ] as const) {
    const push: Push = (child, blob) => chunked(child, blob, how);
    await pushed(on, name, long(), 'blob-patch-chunked', push);
  }
}

async function rangeCases(on: Case, blob: SentBlob): Promise<void> {
  const { bytes, digest } = blob;
  const size = bytes.byteLength;
  await inside(on, 'blob-post-put', (child) => postPut(child, blob));
  for (const [range, first, last] of [
    ['500-1499', 500, 1499],
    ['500-', 500, size - 1],
    ['-500', size - 500, size - 1],
    ['2000-5000', 2000, size - 1],
  ] as const) {
    await inside(on, `range ${range}`, async (child) => {
      const headers = { range: `bytes=${range}` };
      const answer = await expectStatus(child, 206, 'GET', blobPath(digest), { headers });
      assert.ok(answer.body.equals(bytes.subarray(first, last + 1)));
      assert.equal(answer.headers['content-length'], String(last - first + 1));
      assert.equal(answer.headers['content-range'], `bytes ${first}-${last}/${size}`);
    });
  }
  for (const range of ['500-0', '5000-10000']) {
    await inside(on, `range ${range}`, async (child) => {
      const headers = { range: `bytes=${range}` };
      await expectStatus(child, 416, 'GET', blobPath(digest), { headers });
    });
  }
  await inside(on, 'blob-delete', (child) => deleteBlob(child, digest));
}

async function badDigests(on: Case, make: () => SentBlob): Promise<void> {
  const isBad = true;
  const ways: readonly (readonly [string, string, Push])[] = [
    ['post only', 'blob-post-only', (child, blob) => postOnly(child, blob, { isBad })],
    ['post+put', 'blob-post-put', (child, blob) => postPut(child, blob, { isBad })],
    ['chunked', 'blob-patch-chunked', (child, blob) => chunked(child, blob, { isBad })],
    [
      'chunked and put chunk',
      'blob-patch-chunked',
      (child, blob) => chunked(child, blob, { isBad, putLast: true }),
    ],
    ['stream', 'blob-patch-stream', (child, blob) => stream(child, blob, { isBad })],
  ];
  for (const [name, caseName, push] of ways) {
    await inside(on, `bad digest ${name}`, async (group) => {
      const blob = make();
      await inside(group, caseName, async (child) => {
        await push(child, blob);
        await expectStatus(child, 404, 'HEAD', blobPath(blob.digest));
      });
    });
  }
}
