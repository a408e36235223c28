import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import type { Answer } from '../rig.ts';
import { blobPath, type Case, expectStatus, REPO, withQuery } from './cases.ts';

/** A blob as it is sent. Its bytes aren't those of its digest where a refusal is expected. */
export interface SentBlob {
  readonly digest: string;
  readonly bytes: Uint8Array;
}

export interface PushHow {
  /** the bytes aren't those of the digest */
  readonly isBad?: boolean;
  readonly repository?: string;
}

const MIN_CHUNK_BYTES = 1024;
const TYPE = { 'content-type': 'application/octet-stream' };

/** A body that is sent without saying how long it is, as the suite sends streams and manifests. */
export function withoutLength(bytes: Uint8Array): Readable {
  return Readable.from([bytes]);
}

export async function begin(on: Case, repository = REPO, query = ''): Promise<string> {
  const path = `/v2/${repository}/blobs/uploads/${query}`;
  const answer = await expectStatus(on, 202, 'POST', path, { headers: { 'content-length': '0' } });
  const { location } = answer.headers;
  assert.ok(location, 'a Location');
  return location;
}

async function checkCreated(on: Case, answer: Answer, { digest, bytes }: SentBlob): Promise<void> {
  assert.equal(answer.headers['docker-content-digest'], digest);
  assert.ok(answer.headers.location, 'a Location');
  const got = await expectStatus(on, 200, 'GET', answer.headers.location);
  assert.ok(got.body.equals(bytes), 'the Location gives the blob');
}

/** The last request: created, or refused where the digest is wrong. */
async function finish(
  on: Case,
  blob: SentBlob,
  { isBad = false }: PushHow,
  location: string,
  body?: Uint8Array,
  headers: Record<string, string> = {},
): Promise<void> {
  const answer = await expectStatus(
    on,
    isBad ? 400 : 201,
    'PUT',
    withQuery(location, 'digest', blob.digest),
    { ...(body === undefined ? {} : { body }), headers: { ...TYPE, ...headers } },
  );
  if (!isBad) await checkCreated(on, answer, blob);
}

export async function postOnly(on: Case, blob: SentBlob, how: PushHow = {}): Promise<void> {
  const path = `/v2/${REPO}/blobs/uploads/?digest=${blob.digest}`;
  const status = how.isBad ? 400 : 201;
  const answer = await expectStatus(on, status, 'POST', path, { body: blob.bytes, headers: TYPE });
  if (!how.isBad) await checkCreated(on, answer, blob);
}

export async function postPut(on: Case, blob: SentBlob, how: PushHow = {}): Promise<void> {
  await finish(on, blob, how, await begin(on, how.repository), blob.bytes);
}

export async function stream(on: Case, blob: SentBlob, how: PushHow = {}): Promise<void> {
  const location = await begin(on);
  const body = withoutLength(blob.bytes);
  const answer = await expectStatus(on, 202, 'PATCH', location, { body, headers: TYPE });
  await finish(on, blob, how, answer.headers.location ?? '');
}

export interface ChunkHow extends PushHow {
  /** the last chunk comes with the PUT */
  readonly putLast?: boolean;
  /** before each chunk one is sent that doesn't come next */
  readonly outOfOrder?: boolean;
}

export async function chunked(on: Case, blob: SentBlob, how: ChunkHow = {}): Promise<void> {
  const { bytes, digest } = blob;
  const size = bytes.byteLength;
  const chunk = Math.min(size, Math.max(Math.floor(size / 3) + 1, MIN_CHUNK_BYTES));
  let location = await begin(on);
  const part = (first: number, last: number) => ({
    body: bytes.subarray(first, last + 1),
    headers: { ...TYPE, 'content-range': `${first}-${last}` },
  });
  for (let first = 0; first < size; first += chunk) {
    if (how.outOfOrder) {
      const wrong = first + chunk >= size ? 0 : first + chunk;
      const last = Math.min(wrong + chunk - 1, size - 1);
      const isPut = how.putLast && last === size - 1;
      const path = isPut ? withQuery(location, 'digest', digest) : location;
      await expectStatus(on, 416, isPut ? 'PUT' : 'PATCH', path, part(wrong, last));
      const held = await expectStatus(on, 204, 'GET', location);
      assert.equal(held.headers.range, `0-${Math.max(0, first - 1)}`);
      location = held.headers.location ?? '';
    }
    const last = Math.min(first + chunk - 1, size - 1);
    const { body, headers } = part(first, last);
    if (how.putLast && last === size - 1) {
      await finish(on, blob, how, location, body, headers);
      return;
    }
    const answer = await expectStatus(on, 202, 'PATCH', location, { body, headers });
    location = answer.headers.location ?? '';
  }
  await finish(on, blob, how, location);
}

/** A mount that has to work. */
export async function mount(on: Case, blob: SentBlob, from?: string): Promise<void> {
  const origin = from === undefined ? '' : `&from=${encodeURIComponent(from)}`;
  const path = `/v2/${REPO}/blobs/uploads/?mount=${blob.digest}${origin}`;
  await checkCreated(on, await expectStatus(on, 201, 'POST', path), blob);
}

/** A mount of what isn't there becomes an upload. */
export async function mountMissing(on: Case, blob: SentBlob, from: string): Promise<void> {
  const query = `?mount=${blob.digest}&from=${encodeURIComponent(from)}`;
  await finish(on, blob, {}, await begin(on, REPO, query), blob.bytes);
}

export async function cancel(on: Case): Promise<void> {
  const location = await begin(on);
  await expectStatus(on, 204, 'DELETE', location);
  await expectStatus(on, 404, 'GET', location);
}

export async function headBlob(on: Case, { digest, bytes }: SentBlob): Promise<void> {
  const answer = await expectStatus(on, 200, 'HEAD', blobPath(digest));
  assert.equal(answer.body.byteLength, 0);
  assert.equal(answer.headers['content-length'], String(bytes.byteLength));
  assert.equal(answer.headers['docker-content-digest'], digest);
}

export async function getBlob(on: Case, { digest, bytes }: SentBlob): Promise<void> {
  const answer = await expectStatus(on, 200, 'GET', blobPath(digest));
  assert.ok(answer.body.equals(bytes));
  assert.equal(answer.headers['content-length'], String(bytes.byteLength));
  assert.equal(answer.headers['docker-content-digest'], digest);
}

/** Deletes; what is deleted is gone with the answer. */
export async function deleteBlob(on: Case, digest: string, repository = REPO): Promise<void> {
  await expectStatus(on, [202, 404], 'DELETE', blobPath(digest, repository));
  await expectStatus(on, 404, 'HEAD', blobPath(digest, repository));
}
