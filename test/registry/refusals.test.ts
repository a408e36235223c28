import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, SlipwayError } from '../../src/errors.ts';
import { blobOf, connect, manifestOf } from './clients.ts';
import { errors, startFakeRegistry } from './fake-registry.ts';

interface Case {
  readonly at: string;
  readonly status: number;
  readonly body?: unknown;
  readonly type?: string;
  readonly code: ErrorCode;
  readonly words?: RegExp;
}

const CASES: Readonly<Record<string, Case>> = {
  'no right to push': {
    at: 'POST upload',
    status: 403,
    body: errors('DENIED', 'requested access is denied'),
    code: 'DENIED',
    words: /requested access is denied/,
  },
  'a read-only registry': {
    at: 'POST upload',
    status: 405,
    body: errors('UNSUPPORTED', 'read-only'),
    code: 'UNSUPPORTED',
    words: /read-only/,
  },
  'a repository that must be made first': {
    at: 'POST upload',
    status: 404,
    body: errors('NAME_UNKNOWN', 'repository does not exist'),
    code: 'NOT_FOUND',
    words: /does not exist/,
  },
  'a name that is not accepted': {
    at: 'POST upload',
    status: 400,
    body: errors('NAME_INVALID', 'three parts, please'),
    code: 'REFERENCE_INVALID',
    words: /three parts/,
  },
  'a web page': {
    at: 'POST upload',
    status: 200,
    body: Buffer.from('<html>'),
    type: 'text/html',
    code: 'NOT_A_REGISTRY',
    words: /web page/,
  },
  'a blob that is too large': {
    at: 'PUT upload',
    status: 413,
    body: Buffer.from('<html>'),
    type: 'text/html',
    code: 'UNSUPPORTED',
    words: /too large/,
  },
  'a full disk': { at: 'PUT upload', status: 507, code: 'NO_SPACE' },
  'a quota, by 403': {
    at: 'PUT upload',
    status: 403,
    body: errors('DENIED', 'storage quota exceeded'),
    code: 'QUOTA_EXCEEDED',
    words: /storage quota exceeded/,
  },
  'other bytes than were sent': {
    at: 'PUT upload',
    status: 400,
    body: errors('DIGEST_INVALID', 'provided digest did not match'),
    code: 'DIGEST_MISMATCH',
  },
  'an unknown kind of content': {
    at: 'PUT manifest',
    status: 415,
    body: errors('MANIFEST_INVALID', 'unknown media type'),
    code: 'UNSUPPORTED',
    words: /unknown media type/,
  },
  'a manifest that is not accepted': {
    at: 'PUT manifest',
    status: 400,
    body: errors('MANIFEST_INVALID', 'manifest invalid'),
    code: 'UNSUPPORTED',
  },
  'content that is missing': {
    at: 'PUT manifest',
    status: 400,
    body: errors('MANIFEST_BLOB_UNKNOWN', 'blob unknown', { digest: 'x' }),
    code: 'CONTENT_MISSING',
  },
  'an immutable tag, by 400': {
    at: 'PUT manifest',
    status: 400,
    body: errors(
      'TAG_INVALID',
      "The image tag 'v1' already exists and cannot be overwritten because the repository is immutable.",
    ),
    code: 'TAG_IMMUTABLE',
    words: /cannot be overwritten/,
  },
  'an immutable tag, by 409': {
    at: 'PUT manifest',
    status: 409,
    body: errors('DENIED', 'tag exists'),
    code: 'TAG_IMMUTABLE',
  },
  'an immutable tag, by 412': {
    at: 'PUT manifest',
    status: 412,
    body: errors('PRECONDITION', 'matched the immutability rule'),
    code: 'TAG_IMMUTABLE',
  },
  'a condition': { at: 'PUT manifest', status: 412, code: 'CONDITION_FAILED' },
  'an answer that no registry gives': { at: 'PUT manifest', status: 418, code: 'NOT_A_REGISTRY' },
  'errors in another form': {
    at: 'PUT manifest',
    status: 403,
    body: { error: 'plain words' },
    code: 'DENIED',
    words: /plain words/,
  },
};

for (const [what, { at, status, body, type, code, words }] of Object.entries(CASES)) {
  test(`${what}: ${status} to ${at} is final, told at once and in the registry's words`, async (t) => {
    const registry = await startFakeRegistry(t, async (call) => {
      if (call.what !== at) return false;
      await call.body();
      call.answer(status, type === undefined ? {} : { 'content-type': type }, body);
      return true;
    });
    // With the real waits: nothing may be waited for.
    const { repository } = connect(t, registry.host, { retry: {} });
    const { descriptor, open } = at.endsWith('manifest') ? manifestOf() : blobOf(300_000);
    const push = at.endsWith('manifest')
      ? repository.tag(descriptor, 'v1', open)
      : repository.push(descriptor, open);
    await assert.rejects(push, (error) => {
      assert.ok(error instanceof SlipwayError, String(error));
      assert.equal(error.code, code, error.message);
      if (words !== undefined) assert.match(error.message, words);
      assert.match(error.message, new RegExp(registry.host));
      assert.deepEqual(
        [error.facts.side, error.facts.host, error.facts.repository, error.facts.status],
        ['destination', registry.host, 'team/app', status],
      );
      return true;
    });
    // Asked once: nothing was waited for.
    assert.equal(registry.count(at), 1);
  });
}

test('what a registry says can neither rewrite a screen nor command a CI system', async (t) => {
  const evil = '\u001b[2J\u001b]0;x\u0007ok\r\n::set-output name=a::b ##vso[task.x]\u202e\u009b1m';
  const registry = await startFakeRegistry(t, (call) => {
    call.answer(
      403,
      { server: 'nginx' },
      { errors: [{ code: evil, message: evil, detail: { deep: [evil] } }] },
    );
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open } = manifestOf();
  await assert.rejects(repository.push(descriptor, open), (error) => {
    assert.ok(error instanceof SlipwayError);
    const texts = [error.message, JSON.stringify(error.facts.registryErrors)];
    for (const text of texts)
      assert.doesNotMatch(text, /[\u0000-\u001f\u007f-\u009f\u202e]|\\u00|##vso/);
    assert.match(error.message, /ok ::set-output/);
    return true;
  });
});

test('a manifest whose PUT was not answered is put again', async (t) => {
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PUT manifest' || call.nth > 1) return false;
    await call.serve(() => void call.response.destroy());
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open, bytes } = manifestOf();
  await repository.tag(descriptor, 'v1', open);
  assert.deepEqual(registry.manifests.get('team/app:v1')?.bytes, bytes);
});

test('an immutable tag that was put, but not answered, is no failure', async (t) => {
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PUT manifest') return false;
    if (call.nth === 1) await call.serve(() => void call.response.destroy());
    else call.answer(409, {}, errors('DENIED', 'tag is immutable'));
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open } = manifestOf();
  await repository.tag(descriptor, 'v1', open);
  const other = manifestOf(blobOf(2, '{}'), 'another');
  await assert.rejects(repository.tag(other.descriptor, 'v1', other.open), {
    code: 'TAG_IMMUTABLE',
  });
});

for (const [what, oddStatus, oddHeaders] of [
  ['200', 200, {}],
  ['another digest', 201, { 'docker-content-digest': `sha256:${'0'.repeat(64)}` }],
] as const) {
  test(`a manifest that is answered with ${what} is read back`, async (t) => {
    const registry = await startFakeRegistry(t, async (call) => {
      if (call.what !== 'PUT manifest') return false;
      await call.serve(() => call.answer(oddStatus, oddHeaders));
      return true;
    });
    const { repository, events } = connect(t, registry.host);
    const { descriptor, open } = manifestOf();
    await repository.tag(descriptor, 'v1', open);
    assert.equal(registry.count('GET manifest'), 1);
    assert.match(JSON.stringify(events), /holds the right bytes/);
  });
}

test('a registry that stores another manifest than it was sent is caught', async (t) => {
  const other = manifestOf(blobOf(2, '{}'), 'changed on the way');
  const registry = await startFakeRegistry(t, async (call) => {
    if (call.what !== 'PUT manifest') return false;
    await call.body();
    const { mediaType, digest } = other.descriptor;
    call.registry.manifests.set('team/app:v1', { type: mediaType, bytes: other.bytes });
    call.answer(201, { 'docker-content-digest': digest });
    return true;
  });
  const { repository } = connect(t, registry.host);
  const { descriptor, open } = manifestOf();
  await assert.rejects(repository.tag(descriptor, 'v1', open), { code: 'DIGEST_MISMATCH' });
});

test('busy registries are asked again for manifests too', async (t) => {
  for (const status of [500, 503, 429]) {
    const registry = await startFakeRegistry(t, async (call) => {
      if (call.nth > 2) return false;
      await call.body();
      call.answer(status);
      return true;
    });
    const { repository } = connect(t, registry.host);
    const { descriptor, open } = manifestOf();
    await repository.tag(descriptor, 'v1', open);
    assert.deepEqual(await repository.resolve('v1'), descriptor);
  }
});
