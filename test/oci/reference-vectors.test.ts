import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '../../src/errors.ts';
import { isDigest } from '../../src/oci/digest.ts';
import {
  familiarRepository,
  formatReference,
  formatRepository,
  isHost,
  parseReference,
  parseRepository,
  type Reference,
} from '../../src/oci/reference.ts';
import { noVectors, vectorRows } from './vectors.ts';

const DOCKER = 'distribution/reference';
const CRANE = 'google/go-containerregistry';

/** Rows where we decide otherwise, by their input, with the reason. */
const OTHERWISE: Readonly<Record<string, string>> = {
  [`validname@sha512:${'f'.repeat(128)}`]: 'their test was built without sha512; we have it',
  dbcc1c35ac38df41fd2f5e4130b32ffdb93ebae8b3dbe638c23575912276fc9c:
    'an image id is no name at a registry',
  'sha256:dbcc1c35ac38df41fd2f5e4130b32ffdb93ebae8b3dbe638c23575912276fc9c':
    'a digest alone is no name at a registry; read as a name it is the repository sha256',
  'gcr.io/library/busybox:latest@sha256:e6693c20186f837fc393390135d8a598a96a833917917789d63766cab6c59582':
    'we keep the tag beside the digest',
  '192.168.1.1:75050': 'there is no such port',
  '192.168.1.1:750050': 'there is no such port',
  '[fd00:1:2::3]:75050': 'there is no such port',
  '[fd00123123123]:75050': 'no IPv6 address, and there is no such port',
  '[2001:0db8:85a3:0000:0000:8a2e:0370:7334]:75050': 'there is no such port',
  '[2001:0db8:85a3:0000:0000:8a2e:0370:7334]:750505': 'there is no such port',
  [`${'a/'.repeat(128)}a`]: 'the grammar takes it, the limit of 255 characters does not',
  'registry-1.docker.io/library/alpine': 'only docker.io and index.docker.io are one registry',
  'example./g/roup/image:a': 'docker knows no host with a dot at its end',
  'example.:5000/g/roup/image:a': 'docker knows no host with a dot at its end',
  'localhost:5000': 'docker reads it as the image localhost with the tag 5000',
};

function attempt(text: string): Reference | undefined {
  try {
    return parseReference(text, { defaultTag: false });
  } catch (error) {
    if (isSlipwayError(error, 'REFERENCE_INVALID')) return undefined;
    throw error;
  }
}

function rows<Row>(func: string, fields: readonly (keyof Row & string)[], table?: string) {
  const options = table === undefined ? { fields } : { fields, table };
  return vectorRows<Row>('reference', DOCKER, func, options);
}

test('references parse as docker parses them', { skip: noVectors }, () => {
  for (const row of rows<{
    input: string;
    err?: unknown;
    repository?: string;
    tag?: string;
    digest?: string;
  }>('TestReferenceParse', ['input'])) {
    if (row.input in OTHERWISE) continue;
    const found = attempt(row.input);
    assert.equal(found === undefined, row.err !== undefined, row.input);
    if (found === undefined) continue;
    assert.deepEqual([found.tag, found.digest], [row.tag, row.digest], row.input);
    assert.ok(`/${formatRepository(found)}`.endsWith(`/${row.repository}`), row.input);
  }
});

test('names are valid where docker says so', { skip: noVectors }, () => {
  let count = 0;
  for (const [func, table, valid] of [
    ['TestValidateReferenceName', 'validRepoNames', true],
    ['TestValidateReferenceName', 'invalidRepoNames', false],
    ['TestValidateRemoteName', 'validRepositoryNames', true],
    ['TestValidateRemoteName', 'invalidRepositoryNames', false],
  ] as const) {
    for (const name of vectorRows<string>('reference', DOCKER, func, { table })) {
      assert.equal(attempt(name) !== undefined, valid, name);
      count++;
    }
  }
  assert.ok(count > 50);
});

test('names come apart and are shown as docker does it', { skip: noVectors }, () => {
  interface Row {
    readonly AmbiguousName: string;
    readonly Domain: string;
    readonly FamiliarName: string;
    readonly FullName: string;
    readonly RemoteName: string;
  }
  for (const row of rows<Row>('TestParseRepositoryInfo', ['FullName', 'FamiliarName'], 'tests')) {
    for (const name of [row.AmbiguousName, row.FamiliarName, row.FullName]) {
      if (typeof name !== 'string' || name === '') continue;
      const found = parseRepository(name);
      assert.deepEqual(found, { host: row.Domain, path: row.RemoteName });
      assert.equal(formatRepository(found), row.FullName);
      assert.equal(familiarRepository(found), row.FamiliarName);
    }
  }
  for (const row of rows<{ input: string; domain: string; path: string }>(
    'TestNormalizedSplitHostname',
    ['input', 'domain', 'path'],
  )) {
    assert.deepEqual(parseRepository(row.input), { host: row.domain, path: row.path });
  }
});

test('references are spelled out as docker spells them', { skip: noVectors }, () => {
  for (const row of rows<{ Reference: string; Equivalent: string }>('TestParseAnyReference', [
    'Reference',
    'Equivalent',
  ])) {
    if (row.Reference in OTHERWISE) continue;
    assert.equal(
      formatReference(parseReference(row.Reference, { defaultTag: false })),
      row.Equivalent,
    );
  }
  for (const row of rows<{ input: string; expected: string }>('TestParseDockerRef', [
    'input',
    'expected',
  ])) {
    if (row.input in OTHERWISE) continue;
    assert.equal(formatReference(parseReference(row.input)), row.expected);
  }
});

test('docker’s grammar and ours agree on hosts, names and references', { skip: noVectors }, () => {
  const check = (func: string, accepts: (text: string) => boolean) => {
    for (const row of rows<{ input: string; match: boolean }>(func, ['input', 'match'])) {
      if (row.input in OTHERWISE) continue;
      assert.equal(accepts(row.input), row.match, `${func} ${row.input}`);
    }
  };
  check('TestDomainRegexp', isHost);
  check('TestFullNameRegexp', (text) => {
    const found = attempt(text);
    return found !== undefined && found.tag === undefined && found.digest === undefined;
  });
  check('TestReferenceRegexp', (text) => attempt(text) !== undefined);
});

test('what crane takes and refuses, we take and refuse', { skip: noVectors }, () => {
  for (const [table, valid] of [
    ['goodStrictValidationTagNames', true],
    ['goodWeakValidationTagNames', true],
    ['badTagNames', false],
    ['goodStrictValidationDigestNames', true],
    ['goodStrictValidationTagDigestNames', true],
    ['goodWeakValidationDigestNames', true],
    ['badDigestNames', false],
    ['goodStrictValidationRepositoryNames', true],
    ['goodWeakValidationRepositoryNames', true],
    ['badRepositoryNames', false],
  ] as const) {
    for (const name of vectorRows<string>('reference', CRANE, '<package>', { table })) {
      assert.equal(attempt(name) !== undefined, valid, `${table} ${name}`);
    }
  }
});

test('regclient’s references at registries parse the same', { skip: noVectors }, () => {
  interface Row {
    readonly ref: string;
    readonly scheme?: string;
    readonly registry?: string;
    readonly repository?: string;
    readonly tag?: string;
    readonly digest?: string;
    readonly wantE: unknown;
  }
  let count = 0;
  for (const row of vectorRows<Row>('reference', 'regclient/regclient', 'TestNew', {
    fields: ['ref'],
  })) {
    if (row.ref in OTHERWISE || (row.wantE === null && row.scheme !== 'reg')) continue;
    const found = attempt(row.ref);
    assert.equal(found !== undefined, row.wantE === null, row.ref);
    count++;
    if (found === undefined) continue;
    const { host, path, tag = row.digest === '' ? 'latest' : '', digest = '' } = found;
    assert.deepEqual(
      [host, path, tag, digest],
      [row.registry, row.repository, row.tag, row.digest],
      row.ref,
    );
  }
  assert.ok(count > 20);
});

test('digests parse as go-digest and oci-digest parse them', { skip: noVectors }, () => {
  for (const row of vectorRows<{ Input: string; Err?: unknown; Algorithm?: string }>(
    'digest',
    'opencontainers/go-digest',
    'TestParseDigest',
    { fields: ['Input'] },
  )) {
    // sha384 is in Go's list and in nobody's images: the list of the image-spec is ours.
    const valid = row.Err === undefined && row.Algorithm !== 'sha384';
    assert.equal(isDigest(row.Input), valid, row.Input);
  }
  for (const row of vectorRows<{ s: string; err?: unknown }>(
    'digest',
    'sudo-bmitch/oci-digest',
    'TestParse',
    { fields: ['s'] },
  )) {
    // An empty text is their zero value, and no digest.
    assert.equal(isDigest(row.s), row.err === undefined && row.s !== '', row.s);
  }
});
