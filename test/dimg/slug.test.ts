import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { slug, wantsShortSlugs } from '../../src/dimg/slug.ts';
import { slugTable } from '../../src/dimg/slug-table.ts';

const SLUGS: readonly (readonly [string, string])[] = [
  ['feature-fix-2', 'feature-fix-2'],
  ['branch/one/!@#4.4-3', 'branch-one-4-4-3-5589e04f'],
  ['core/feature/ADD_SETTINGS', 'core-feature-add-settings-c3fd80df'],
  ['v2.3.1', 'v2-3-1-5cb8b0a4'],
  ['feature/using_cache', 'feature-using-cache-81644ed0'],
  ['fix/memory-leak', 'fix-memory-leak-b3715a6e'],
  ['rework-cache', 'rework-cache'],
  ['a-b-c-d', 'a-b-c-d'],
  ['a_b_c_d', 'a-b-c-d-9736323a'],
  ['a_B_c_d', 'a-b-c-d-a67096ae'],
  ['_a_b_c_d', 'a-b-c-d-72075ca4'],
  ['а_б_ц_д', 'a-b-c-d-fce8fc50'],
  ['------', '587c09c4'],
  ['A', 'a-cef7dc54'],
  ['-data', 'data-6ed871a8'],
  ['da/ta', 'da-ta-f896fa0a'],
  ['da_ta', 'da-ta-149d333b'],
  ['master', 'master'],
  ['MASTER', 'master-cdf45214'],
  ['stable', 'stable'],
  ['geo', 'geo'],
  ['release/1.2', 'release-1-2-08c3cd6d'],
  ['v1.0.0', 'v1-0-0-8c0b2f4a'],
  ['v1.1.14', 'v1-1-14-e0ddd68a'],
  ['v1.0.0-alpha.3', 'v1-0-0-alpha-3-6fe43d26'],
  ['1.0', '1-0-72b46829'],
  ['hello world', 'hello-world-0f8f925e'],
  ['a--b', 'a-b-a16030d9'],
  ['-a-', 'a-ac6b3c2c'],
  ['a-', 'a-5b678f18'],
  ['feature/foo_bar', 'feature-foo-bar-1ca864bc'],
  ['Feature/ADD-123', 'feature-add-123-2e71f580'],
  ['Straße', 'strabe-eeb5135d'],
  ['привет', 'privyet-6e4b363b'],
  ['日本語', '9772a4a5'],
  ['@', '67e84556'],
  ['½', '2d9679f1'],
  ['①', 'cf9f4de3'],
  ['(1)', '1-53efc51d'],
  ['ﬁx', 'x-91dc14cc'],
  ['user@host', 'userhost-2247b1f0'],
  ['with\u00a0nbsp', 'withnbsp-7d277f81'],
  ['', '00000000'],
  [
    'Длинный, mixed.language tag with sP3c!AL chars',
    'dlinnyj-mixed-language-tag-with-sp3cal-chars-0e81caab',
  ],
];

describe('slug', () => {
  it('gives what werf gives', () => {
    assert.deepEqual(
      SLUGS.map(([text]) => slug(text)),
      SLUGS.map(([, slugged]) => slugged),
    );
  });

  it('knows the 971 characters of the table and no others', () => {
    const lines = [...slugTable()]
      .sort(([a], [b]) => a - b)
      .map(([point, to]) => `${point.toString(16).toUpperCase().padStart(4, '0')}:${to}\n`);
    assert.equal(lines.length, 971);
    assert.equal(
      createHash('sha256').update(lines.join('')).digest('hex'),
      '654340bed221669a31433d82a587ebdf4ac3e90ad05d838422b1d41a1c8e263b',
    );
  });

  it('makes names of small letters, digits and single dashes of any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        assert.match(slug(text), /^[a-z0-9]+(?:-[a-z0-9]+)*$/);
      }),
    );
  });

  it('leaves long names alone, but not the short ones', () => {
    const fits = 'x'.repeat(52);
    const long = 'x'.repeat(53);
    assert.equal(slug(long), long);
    assert.equal(slug(fits, { short: true }), fits);
    assert.match(slug(long, { short: true }), /^x{44}-[0-9a-f]{8}$/);
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        assert.ok(slug(text, { short: true }).length <= 53);
      }),
    );
    assert.equal(wantsShortSlugs({ WERF_SLUG_V3: '' }), false);
    assert.equal(wantsShortSlugs({ WERF_SLUG_V3: '1' }), true);
    assert.equal(wantsShortSlugs({ DAPP_SLUG_V3: '1' }), true);
  });
});
