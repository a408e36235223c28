import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextLink } from '../../src/http/link.ts';
import { bytesHeld, contentRangeStart } from '../../src/http/range.ts';
import { retryAfterMs } from '../../src/http/retry-after.ts';
import { noVectors, vectorRows } from '../oci/vectors.ts';
import { runs } from '../rig/long.ts';

const LINKS: readonly (readonly [header: string, next: string | undefined])[] = [
  ['</v2/a/tags/list?n=1&last=b>; rel="next"', '/v2/a/tags/list?n=1&last=b'],
  ['</x>;rel=next', '/x'],
  ['</x>; REL="NEXT"', '/x'],
  ['</x>; rel="prev next"', '/x'],
  ['</a>; rel="prev", </b>; rel="next"', '/b'],
  ['</a,b;c>; rel="next"', '/a,b;c'],
  ['</x>; title="a;rel=next"', undefined],
  ['</x>; rel="nextish"', undefined],
  ['</x>', undefined],
  ['/x; rel="next"', undefined],
  ['</x; rel="next"', undefined],
  ['', undefined],
];

for (const [header, next] of LINKS) {
  test(`the next page of ${JSON.stringify(header)}`, () => {
    assert.equal(nextLink([header]), next);
  });
}

test('a next page may stand in a second header', () => {
  assert.equal(nextLink(['</a>; rel="first"', '</b>; rel="next"']), '/b');
});

test('links of the public tables are found alike', { skip: noVectors }, () => {
  interface Row {
    readonly header: string;
    readonly wantErr?: boolean;
    readonly want?: string;
    readonly url: string;
  }
  const rows = vectorRows<Row>('link', 'oras-project/oras-go', 'Test_parseLink');
  for (const { header, url, want } of rows) {
    if (want !== undefined) assert.equal(new URL(nextLink([header]) ?? '', url).href, want);
  }
  interface Get {
    readonly headers: readonly string[];
    readonly parm: string;
    readonly val: string;
    readonly expectURI?: string;
  }
  const gets = vectorRows<Get>('link', 'regclient/regclient', 'TestParseGet', {
    table: 'tests',
    fields: ['headers'],
  });
  for (const { headers, val, expectURI } of gets) {
    if (val === 'next') assert.equal(nextLink(headers), expectURI);
  }
});

test('a session tells how many bytes it holds', () => {
  assert.equal(bytesHeld('0-9'), 10);
  assert.equal(bytesHeld('bytes=0-9'), 10);
  assert.equal(bytesHeld('bytes 0-9'), 10);
  // Empty, in the words of different registries.
  for (const empty of ['0-0', '0--1', 'bytes=0-0']) assert.equal(bytesHeld(empty), 0);
  for (const none of [undefined, '', '5-9', '0-', '-9', '0-x', '0-9999999999999999', '0-9,11-12']) {
    assert.equal(bytesHeld(none), undefined);
  }
});

test('what a session holds is read back from what it tells', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 2 ** 49 }), (held) => {
      assert.equal(bytesHeld(`0-${held - 1}`), held);
    }),
    runs(100, 1_000),
  );
});

test('a partial answer tells where it begins', () => {
  assert.equal(contentRangeStart('bytes 10-99/100'), 10);
  assert.equal(contentRangeStart('bytes 0-0/*'), 0);
  for (const bad of [undefined, '', 'bytes 10-99', '10-99/100', 'bytes */100', 'bytes x-2/3']) {
    assert.equal(contentRangeStart(bad), undefined);
  }
});

test('ranges of the public tables are refused alike', { skip: noVectors }, () => {
  const repo = 'podman-container-tools/container-libs';
  const rows = vectorRows<unknown>('range', repo, 'TestParseContentRange');
  const texts = rows.filter((row): row is string => typeof row === 'string');
  assert.ok(texts.length > 10);
  for (const text of texts) assert.equal(contentRangeStart(text), undefined, text);
  for (const row of rows) {
    const { in: text, first } = (row ?? {}) as { in?: string; first?: number };
    if (text !== undefined) assert.equal(contentRangeStart(text), first, text);
  }
});

test('Retry-After is seconds or a date', () => {
  const now = Date.parse('2026-11-21T10:00:00Z');
  assert.equal(retryAfterMs('7', now), 7_000);
  assert.equal(retryAfterMs(' 0 ', now), 0);
  assert.equal(retryAfterMs('Sat, 21 Nov 2026 10:00:30 GMT', now), 30_000);
  assert.equal(retryAfterMs('Saturday, 21-Nov-26 10:00:30 GMT', now), 30_000);
  assert.equal(retryAfterMs('Sat Nov 21 10:00:30 2026 GMT', now), 30_000);
  assert.equal(retryAfterMs('Sat, 21 Nov 2026 09:00:00 GMT', now), 0);
  for (const bad of [undefined, '', '-1', '1.5', '1e3', 'soon', '2026-11-21', '9999999999']) {
    assert.equal(retryAfterMs(bad, now), undefined, bad);
  }
});

test('a Link header of brackets alone is read at once', () => {
  const startedAt = performance.now();
  assert.equal(nextLink(['<'.repeat(1_000_000)]), undefined);
  // A pattern that goes back over its text takes minutes.
  assert.ok(performance.now() - startedAt < 20_000);
});
