import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isSlipwayError } from '../../src/errors.ts';
import { parseConfig } from '../../src/oci/config.ts';
import { parseDescriptor } from '../../src/oci/descriptor.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { parseManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import {
  formatPlatform,
  matchesPlatform,
  normalizePlatform,
  type Platform,
  parsePlatform,
} from '../../src/oci/platform.ts';
import { noVectors, vectorRows } from './vectors.ts';

const SPEC = 'opencontainers/image-spec';
const CONTAINERD = 'containerd/platforms';
const HOST: Platform = { os: 'linux', architecture: 'amd64' };

function accepts(parse: () => unknown): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    if (isSlipwayError(error)) return false;
    throw error;
  }
}

/** Documents of the image-spec's tests where we decide otherwise: a sign of each, and the reason. */
const OTHERWISE: readonly (readonly [RegExp, string])[] = [
  [/"layers": \[\]/, 'an image without layers is an image (FROM scratch, artifacts)'],
  [/"digest": "(?:sha256\+|sha256\.|multihash)/, 'the list of digest algorithms is closed'],
  [/"platform": \{\s*"os": "linux"\s*\}/, 'half a platform is read as none'],
  [/"Env": \[\s*"foo"\s*\]/, 'docker and podman take a variable without a value'],
  [/"urls": \[\s*"value"/, 'urls are never followed, so they are not judged'],
  [/"artifactType": "foo\/\.bar"/, 'artifact types are passed on, not judged'],
];

function decidedOtherwise(text: string): boolean {
  return OTHERWISE.some(([sign]) => sign.test(text));
}

test('the image-spec’s own documents are taken and refused', { skip: noVectors }, () => {
  interface Row {
    readonly fail?: boolean;
    readonly manifest: string;
    readonly imageIndex: string;
    readonly config: string;
    readonly descriptor: string;
  }
  const seen = new Set<RegExp>();
  let count = 0;
  const check = (
    func: string,
    field: 'manifest' | 'imageIndex' | 'config' | 'descriptor',
    parse: (text: string) => unknown,
  ) => {
    for (const row of vectorRows<Row>('imagespec', SPEC, func, { fields: [field] })) {
      const text = row[field];
      for (const [sign] of OTHERWISE) if (sign.test(text)) seen.add(sign);
      if (decidedOtherwise(text)) continue;
      count++;
      assert.equal(
        accepts(() => parse(text)),
        row.fail !== true,
        text,
      );
    }
  };
  check('TestManifest', 'manifest', (text) =>
    parseManifest(Buffer.from(text), MEDIA_TYPE.ociManifest),
  );
  check('TestImageIndex', 'imageIndex', (text) =>
    parseManifest(Buffer.from(text), MEDIA_TYPE.ociIndex),
  );
  check('TestConfig', 'config', (text) => parseConfig(Buffer.from(text)));
  check('TestDescriptor', 'descriptor', (text) => parseDescriptor(JSON.parse(text), 'it'));
  check('TestBackwardsCompatibilityConfig', 'config', (text) => parseConfig(Buffer.from(text)));
  assert.ok(count > 45, `${count} documents`);
  assert.equal(seen.size, OTHERWISE.length, 'a reason has no row any more');
});

test('the bytes of old docker configs keep their digest', { skip: noVectors }, () => {
  for (const { config, digest } of vectorRows<{ config: string; digest: string }>(
    'imagespec',
    SPEC,
    'TestBackwardsCompatibilityConfig',
  )) {
    assert.equal(digestOf(config), digest);
  }
});

test('media types are valid where regclient says so', { skip: noVectors }, () => {
  const about = { digest: digestOf(''), size: 0 };
  for (const { mt, expect } of vectorRows<{ mt: string; expect: boolean }>(
    'mediatype',
    'regclient/regclient',
    'TestValid',
    { fields: ['mt'] },
  )) {
    assert.equal(
      accepts(() => parseDescriptor({ ...about, mediaType: mt }, 'it')),
      expect,
      mt,
    );
  }
});

interface GoPlatform {
  readonly OS: string;
  readonly Architecture: string;
  readonly Variant?: string;
  readonly OSVersion?: string;
  readonly OSFeatures?: readonly string[];
}

function fromGo(platform: GoPlatform): Platform {
  const { OS, Architecture, Variant, OSVersion, OSFeatures } = platform;
  return normalizePlatform({
    os: OS,
    architecture: Architecture,
    ...(Variant ? { variant: Variant } : {}),
    ...(OSVersion ? { 'os.version': OSVersion } : {}),
    ...(OSFeatures ? { 'os.features': OSFeatures } : {}),
  });
}

test('containerd’s platform strings mean the same', { skip: noVectors }, () => {
  interface Row {
    readonly input: string;
    readonly skip?: boolean;
    readonly expected: GoPlatform;
    readonly matches?: readonly GoPlatform[];
  }
  let count = 0;
  // What stands for the host in Go is our host here.
  const text = JSON.stringify(
    vectorRows<Row>('platform', CONTAINERD, 'TestParseSelector', { fields: ['input'] }),
  )
    .replaceAll('{"$go":"defaultOS"}', '"linux"')
    .replaceAll('{"$go":"defaultArch"}', '"amd64"');
  for (const row of JSON.parse(text) as Row[]) {
    if (row.skip === true) {
      assert.ok(!accepts(() => parsePlatform(row.input, HOST)), row.input);
      continue;
    }
    count++;
    const found = parsePlatform(row.input, HOST);
    assert.deepEqual(found, fromGo(row.expected), row.input);
    for (const other of row.matches ?? []) {
      assert.ok(
        matchesPlatform(found, fromGo(other)),
        `${row.input} ${formatPlatform(fromGo(other))}`,
      );
    }
  }
  assert.ok(count > 20);
  for (const { input } of vectorRows<Row>('platform', CONTAINERD, 'TestParseSelectorInvalid')) {
    assert.ok(!accepts(() => parsePlatform(input, HOST)), input);
  }
});

test('containerd’s strict matcher agrees with ours', { skip: noVectors }, () => {
  let count = 0;
  for (const row of vectorRows<{
    platform: string;
    matches: Readonly<Record<'true' | 'false', readonly string[]>>;
  }>('platform', CONTAINERD, 'TestOnlyStrict')) {
    for (const verdict of ['true', 'false'] as const) {
      for (const other of row.matches[verdict] ?? []) {
        const found = matchesPlatform(
          parsePlatform(row.platform, HOST),
          parsePlatform(other, HOST),
        );
        assert.equal(String(found), verdict, `${row.platform} ${other}`);
        count++;
      }
    }
  }
  assert.ok(count > 50);
});
