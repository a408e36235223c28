import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { expectFailure } from '../cli/failure.ts';
import { prepareMake } from './scene.ts';

const AT = ['REGISTRY=127.0.0.1:1', 'ORGNAME=me', 'ARCH=x86_64', 'VERSION=1', 'REPONAME=it'];

/** Words of a call, its exit code, and what it says. */
const CALLS: readonly (readonly [readonly string[], number, RegExp])[] = [
  [[], 2, /no target was named/],
  [['pusch'], 2, /there is no target "pusch"/],
  [['push', 'pusch', ...AT], 2, /there is no target "pusch"/],
  [['push', '1A=x'], 2, /neither a target nor VAR=VALUE/],
  [['push', '=x'], 2, /neither a target nor VAR=VALUE/],
  [['push_registry_', ...AT], 2, /names no registry/],
  [['push_registry_host/path', ...AT], 2, /"host\/path" has a path/],
  [['push_registry_nowhere', ...AT], 2, /would be taken for a part of the name/],
  [['push', ...AT, 'REGISTRY=host:5000/team'], 2, /REGISTRY "host:5000\/team" has a path/],
  [['push', ...AT, 'REGISTRY=ho st'], 2, /REGISTRY "ho st" is no HOST/],
  [['push', ...AT, 'ORGNAME=UPPER'], 2, /"UPPER\/it" is no name of an image/],
  [['push', ...AT], 12, /no such local image: 127\.0\.0\.1:1\/me\/it:x86_64/],
  [['push', ...AT, 'ARCH=all'], 12, /no local image of any architecture/],
  [['push', ...AT, 'ARCH=all', 'IMAGETAG=a.b/c/d:e'], 2, /IMAGETAG names one image/],
  [['push', ...AT, 'IMAGETAG=a.b/c/d'], 2, /IMAGETAG "a\.b\/c\/d" has no tag/],
  [['push', ...AT, 'ARCH=x 86'], 2, /"x 86" is no tag/],
  [['push', ...AT, 'VERSION=1/2'], 2, /the version "1\/2" \(VERSION\) can't be part of a tag/],
  [['push', ...AT, 'VERSION=1.0 '], 2, /can't be part of a tag/],
  [['push', ...AT, `VERSION=${'9'.repeat(118)}`], 2, /has 134 characters/],
  [['push', ...AT, 'BUILDDATE=2025-06-19'], 2, /BUILDDATE "2025-06-19" is no date/],
  [['push', ...AT, 'BUILDDATE=20250230'], 2, /BUILDDATE "20250230" is no date/],
  [['rollback', ...AT, 'BUILDDATE=yesterday'], 2, /is no date/],
  [['annotate_version', ...AT, 'VERSION='], 2, /VERSION is not defined/],
  [['annotate_version', ...AT, 'VERSION=-1'], 2, /"-1" is no tag/],
  [['annotate_latest', ...AT, 'TAGSLIST=it:x86_64'], 2, /different registry/],
  [
    ['annotate_latest', ...AT, 'SKIP_x86_64=1', 'SKIP_aarch64=1', 'SKIP_armhf=1', 'SKIP_armv7l=1'],
    2,
    /nothing is left for the list/,
  ],
  [['build', ...AT], 2, /there is neither Dockerfile_x86_64 nor Dockerfile in/],
  [['test', ...AT], 2, /no command to test the image with/],
  [['test', ...AT, 'TESTCMD=true'], 12, /no such local image/],
  [['pull', ...AT, 'IMAGESRC=it@sha256:0'], 2, /invalid reference/],
];

test('what is wrong is said, with its exit code, before anything is done', async (t) => {
  const { make } = await prepareMake(t);
  for (const [words, code, says] of CALLS) {
    const result = await make(...words, '-q', '--retries=0');
    expectFailure(result, { code, says });
  }
});

test('a registry that is not there is a failure of the network', async (t) => {
  const { make } = await prepareMake(t);
  for (const target of ['annotate_latest', 'history', 'rollback', 'pull']) {
    const result = await make(target, ...AT, '-q', '--retries=0');
    expectFailure(result, { code: 16, says: /127\.0\.0\.1:1/ });
  }
});

test('what slipway.yaml says wrong is told with its line', async (t) => {
  const { make, folder } = await prepareMake(t);
  const files: readonly (readonly [string, RegExp])[] = [
    ['make:\n  name: [a\n', /slipway\.yaml:\d+:\d+: /],
    ['make:\n  nam: a\n', /slipway\.yaml:2:8: "nam" is none of name, organisation/],
    ['make:\n  name: 5\n', /slipway\.yaml:2:9: name is no text/],
    ['make:\n  architectures: [x86_64, mips]\n', /slipway\.yaml:2:27: "mips" is none of x86_64/],
    ['make:\n  architectures: [x86_64, x86_64]\n', /names one twice/],
    ['make:\n  variables: {A: 1}\n', /slipway\.yaml:2:18: A is no text: quote it/],
    ['make:\n  version: &a {label: x}\n  tags: *a\n', /slipway\.yaml:3:9: aliases are not taken/],
    ['make: x\n', /make is no mapping/],
    ['- make\n', /is no mapping/],
    [`# ${'x'.repeat(300_000)}\n`, /is larger than/],
  ];
  for (const [text, says] of files) {
    await writeFile(path.join(folder, 'slipway.yaml'), text);
    expectFailure(await make('push', '-q', ...AT), { code: 2, says });
  }
});

test('settings stand behind the environment and the command line', async (t) => {
  const { mustMake, folder, make } = await prepareMake(t, { ORGNAME: 'env', PHPMAJMIN: '8.4' });
  const yaml = [
    'make:',
    '  name: alpine-php$(PHPMAJMIN)',
    '  organisation: yaml',
    '  registry: yaml.example',
    '  version: "$(PHPMAJMIN).1"',
    '  architectures: [x86_64, s390x]',
    '  variables: {PHPMAJMIN: "8.1"}',
    '  tags: {date: "$(ARCH)-$(VERSION)-$(BUILDDATE)"}',
    '  lists: {date: "$(VERSION)-$(BUILDDATE)"}',
    '',
  ];
  await writeFile(path.join(folder, 'slipway.yaml'), yaml.join('\n'));
  const words = ['--dry-run', 'ARCH=x86_64', 'BUILDDATE=20250101'];
  const base = 'yaml.example/env/alpine-php8.4';
  assert.deepEqual(await mustMake('push', ...words), [
    `${base}:x86_64`,
    `${base}:x86_64_8.4.1`,
    `${base}:x86_64-8.4.1-20250101`,
  ]);
  assert.deepEqual(await mustMake('annotate_date', ...words, 'PHPMAJMIN=8.3', 'ORGNAME=me'), [
    'yaml.example/me/alpine-php8.3:8.3.1-20250101',
    'yaml.example/me/alpine-php8.3:x86_64-8.3.1-20250101',
    'yaml.example/me/alpine-php8.3:s390x-8.3.1-20250101',
  ]);
  const help = await make('help', 'ARCH=aarch64');
  assert.match(help.stdout, /^annotate_latest +join the images/m);
  assert.match(help.stdout, /^IMAGETAG +yaml\.example\/env\/alpine-php8\.4:aarch64$/m);
});
