import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SlipwayError } from '../../src/errors.ts';
import {
  formatPlatform,
  hostPlatform,
  isUnknownPlatform,
  matchesPlatform,
  normalizePlatform,
  type Platform,
  parsePlatform,
  platformOfJson,
} from '../../src/oci/platform.ts';
import { runs } from '../rig/long.ts';

const HOST: Platform = { os: 'linux', architecture: 'riscv64' };

function parsed(text: string): string {
  return formatPlatform(parsePlatform(text, HOST));
}

test('parts that are missing are the host’s', () => {
  assert.equal(parsed('linux'), 'linux/riscv64');
  assert.equal(parsed('windows'), 'windows/riscv64');
  assert.equal(parsed('arm64'), 'linux/arm64');
  assert.equal(parsed('host'), 'linux/riscv64');
  assert.equal(parsed('linux/amd64'), 'linux/amd64');
});

test('every alias has one spelling', () => {
  for (const [text, normal] of Object.entries({
    aarch64: 'linux/arm64',
    AArch64: 'linux/arm64',
    'linux/arm64/v8': 'linux/arm64',
    'linux/arm64/8': 'linux/arm64',
    'linux/arm64/v8.0': 'linux/arm64',
    'linux/arm64/v9.0': 'linux/arm64/v9',
    armhf: 'linux/arm/v7',
    armel: 'linux/arm/v6',
    arm: 'linux/arm/v7',
    'linux/arm': 'linux/arm/v7',
    'linux/arm/6': 'linux/arm/v6',
    'linux/arm/V6': 'linux/arm/v6',
    i386: 'linux/386',
    x86_64: 'linux/amd64',
    'x86-64': 'linux/amd64',
    'Linux/X86_64': 'linux/amd64',
    'linux/amd64/v1': 'linux/amd64',
    'linux/amd64/v3': 'linux/amd64/v3',
    macos: 'darwin/riscv64',
    'macos/arm64': 'darwin/arm64',
  })) {
    assert.equal(parsed(text), normal, text);
  }
});

test('one word must be known, two or three need not be', () => {
  for (const text of ['toaster', 'linux64', '']) {
    assert.throws(() => parsePlatform(text, HOST), { code: 'REFERENCE_INVALID' });
  }
  assert.equal(parsed('toaster/bread'), 'toaster/bread');
  assert.equal(parsed('unknown/unknown'), 'unknown/unknown');
});

test('what is no platform is refused', () => {
  for (const text of [
    '*',
    'linux/*',
    'linux/amd64/v1/x',
    '/linux/arm',
    'linux/arm/',
    'linux /arm',
    'linux/&arm',
    'linux,amd64',
    'linux(',
    'linux)/amd64',
    'windows(%zz)/amd64',
    'linux/am\u0000d64',
  ]) {
    assert.throws(() => parsePlatform(text, HOST), { code: 'REFERENCE_INVALID' }, text);
  }
});

test('the system may carry a version and features', () => {
  assert.deepEqual(parsePlatform('windows(10.0.17763+win32k)/amd64', HOST), {
    os: 'windows',
    architecture: 'amd64',
    'os.version': '10.0.17763',
    'os.features': ['win32k'],
  });
  assert.deepEqual(parsePlatform('windows(1%2B2)/amd64', HOST)['os.version'], '1+2');
  assert.deepEqual(parsePlatform('linux(+a+b)', HOST)['os.features'], ['a', 'b']);
  assert.deepEqual(parsePlatform('windows()', HOST), { os: 'windows', architecture: 'riscv64' });
});

test('the same platform matches in every spelling, another one never does', () => {
  const match = (a: string, b: string) =>
    matchesPlatform(parsePlatform(a, HOST), {
      os: b.split('/')[0] ?? '',
      architecture: b.split('/')[1] ?? '',
      ...(b.split('/')[2] === undefined ? {} : { variant: b.split('/')[2] as string }),
    });
  assert.ok(match('linux/arm64', 'linux/arm64/v8'));
  assert.ok(match('linux/arm64/v8', 'linux/aarch64'));
  assert.ok(match('linux/arm', 'linux/arm/v7'));
  assert.ok(match('linux/amd64', 'Linux/amd64/v1'));
  assert.ok(!match('linux/amd64', 'linux/amd64/v2'));
  assert.ok(!match('linux/arm/v7', 'linux/arm/v6'));
  assert.ok(!match('linux/amd64', 'windows/amd64'));
  assert.ok(!match('linux/amd64', 'linux/386'));
});

test('versions and features of the system count where they were asked for', () => {
  const image: Platform = {
    os: 'windows',
    architecture: 'amd64',
    'os.version': '10.0.17763.1',
    'os.features': ['win32k'],
  };
  const asked = (text: string) => matchesPlatform(parsePlatform(text, HOST), image);
  assert.ok(asked('windows/amd64'));
  assert.ok(asked('windows(10.0.17763)/amd64'));
  assert.ok(asked('windows(10.0.17763+win32k)/amd64'));
  assert.ok(!asked('windows(10.0.1776)/amd64'), 'half a number is another version');
  assert.ok(!asked('windows(10.0.20348)/amd64'));
  assert.ok(!asked('windows(+other)/amd64'), 'the image needs a feature that was not offered');
});

test('a document states a platform, none, or is refused', () => {
  assert.deepEqual(platformOfJson({ os: 'linux', architecture: 'arm', variant: 'v7' }, 'it'), {
    os: 'linux',
    architecture: 'arm',
    variant: 'v7',
  });
  for (const json of [{}, { os: '', architecture: '' }, { os: 'linux' }, { os: null }]) {
    assert.equal(platformOfJson(json, 'it'), undefined);
  }
  for (const json of [
    { os: 1, architecture: 'arm' },
    { os: 'linux', architecture: ['arm'] },
    { os: 'linux', architecture: 'arm', variant: 7 },
    { os: 'linux', architecture: 'arm', 'os.features': 'a' },
    { os: 'linux', architecture: 'arm', 'os.features': [1] },
  ]) {
    assert.throws(() => platformOfJson(json, 'it'), { code: 'CONTENT_INVALID' });
  }
});

test('this machine has a platform that images name', () => {
  const host = hostPlatform();
  assert.deepEqual(normalizePlatform(host), host);
  assert.equal(formatPlatform(parsePlatform('host')), formatPlatform(host));
  assert.ok(!['x64', 'ia32', 'win32'].includes(host.architecture));
  assert.ok(
    isUnknownPlatform({ os: 'unknown', architecture: 'unknown' }) && !isUnknownPlatform(host),
  );
});

test('normalising twice changes nothing, and what was formatted parses to the same', () => {
  const word = fc.stringMatching(/^[A-Za-z0-9_.-]{1,8}$/);
  const known = fc.constantFrom('arm', 'arm64', 'amd64', 'AARCH64', 'armhf', 'v7', '8', 'v8.0');
  const any = fc.oneof(word, known);
  fc.assert(
    fc.property(any, any, fc.option(any, { nil: undefined }), (os, architecture, variant) => {
      const once = normalizePlatform({
        os,
        architecture,
        ...(variant === undefined ? {} : { variant }),
      });
      assert.deepEqual(normalizePlatform(once), once);
      assert.deepEqual(parsePlatform(formatPlatform(once), HOST), once);
      assert.ok(matchesPlatform(once, { os, architecture, ...(variant ? { variant } : {}) }));
    }),
    runs(1_000, 50_000),
  );
});

test('no text makes the parser fail in another way than its own', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 20 }), (text) => {
      try {
        parsePlatform(text, HOST);
      } catch (error) {
        assert.ok(error instanceof SlipwayError && error.code === 'REFERENCE_INVALID');
      }
    }),
    runs(1_000, 50_000),
  );
});
