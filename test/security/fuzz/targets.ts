import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseDockerImages } from '../../../src/archive/docker-images.ts';
import { parseDockerfile } from '../../../src/build/dockerfile/dockerfile.ts';
import { parseIgnore } from '../../../src/build/dockerfile/ignore.ts';
import { printable } from '../../../src/bytes/printable.ts';
import { indexTar } from '../../../src/bytes/tar-index.ts';
import { readTar } from '../../../src/bytes/tar-read.ts';
import { parseDockerConfig } from '../../../src/credentials/docker-config.ts';
import { parseChallenges } from '../../../src/http/challenge.ts';
import { nextLink } from '../../../src/http/link.ts';
import { parseNoProxy } from '../../../src/http/no-proxy.ts';
import { bytesHeld, contentRangeStart } from '../../../src/http/range.ts';
import { retryAfterMs } from '../../../src/http/retry-after.ts';
import { showText } from '../../../src/http/shown.ts';
import { parseConfig } from '../../../src/oci/config.ts';
import { isDigest, parseDigest } from '../../../src/oci/digest.ts';
import { childrenOf, parseManifest } from '../../../src/oci/manifest.ts';
import { parsePlatform } from '../../../src/oci/platform.ts';
import { isHost, isRepositoryPath, isTag, parseReference } from '../../../src/oci/reference.ts';
import { uploadLocation } from '../../../src/registry/location.ts';
import { parseScopes } from '../../../src/registry/scope.ts';
import { chunkRange, requestedRange } from '../../../src/server/range.ts';
import { dockerSave, layer, ociDocuments, ociImage, readAll } from '../../archive/images.ts';
import { RAW_END } from '../../bytes/tar-fixture.ts';
import { configJson, indexJson, manifestJson } from '../../oci/documents.ts';
import { makeTar, mutateBytes, mutateJson, mutateText } from './mutate.ts';
import type { Random } from './random.ts';

/** Makes one input and reads it; what it throws besides errors of ours is a finding. */
export type Target = (random: Random) => {
  readonly input: string | Uint8Array;
  readonly read: () => unknown;
};

const VECTORS = new URL('../../../../shared/vectors/', import.meta.url);

/** All texts of a file of recorded values, where it is there. */
function recorded(name: string): readonly string[] {
  const url = new URL(name, VECTORS);
  if (!existsSync(url)) return [];
  const found: string[] = [];
  const collect = (value: unknown): void => {
    if (typeof value === 'string') found.push(value);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(collect);
  };
  collect(JSON.parse(readFileSync(url, 'utf8')));
  return found;
}

/** A target that reads texts like these, and what is in the file of recorded values. */
function texts(corpus: readonly string[], read: (text: string) => void, file?: string): Target {
  const all = file === undefined ? corpus : [...corpus, ...recorded(file)];
  return (random) => {
    const input = mutateText(random, all);
    return { input, read: () => read(input) };
  };
}

function documents(corpus: readonly object[], read: (bytes: Buffer) => void): Target {
  return (random) => {
    const input = mutateJson(random, corpus);
    return { input, read: () => read(input) };
  };
}

const IMAGES = [
  Buffer.concat(dockerSave([layer('a', 600), layer('b', 600)], ['app:1'])),
  Buffer.concat([
    ...ociDocuments([ociImage([layer('a', 600)]).descriptor]),
    ...ociImage([layer('a', 600)]).blobs,
  ]),
];

const HEX = 'a'.repeat(64);
const DOCUMENTS = [manifestJson(), indexJson(), configJson()];
const FROM = new URL('http://127.0.0.1:5000/v2/team/app/blobs/uploads/');

function whole(value: number | undefined): void {
  assert.ok(value === undefined || (Number.isSafeInteger(value) && value >= 0), String(value));
}

/** No file of an index stands outside of the archive, or of its bytes. */
async function readArchive(bytes: Uint8Array, folder: string): Promise<void> {
  const file = path.join(folder, 'made.tar');
  await writeFile(file, bytes);
  const handle = await open(file);
  try {
    const { files } = await indexTar(handle, { what: 'it', sizeBytes: bytes.byteLength });
    for (const [name, { offset, sizeBytes }] of files) {
      assert.ok(!path.isAbsolute(name) && !name.split('/').includes('..'), name);
      assert.ok(offset >= 512 && offset + sizeBytes <= bytes.byteLength, name);
    }
  } finally {
    await handle.close();
  }
}

async function readAsStream(bytes: Uint8Array): Promise<void> {
  const pieces = async function* () {
    for (let at = 0; at < bytes.byteLength; at += 700) yield bytes.subarray(at, at + 700);
  };
  for await (const entry of readTar(pieces(), { what: 'it' })) {
    let length = 0;
    for await (const chunk of entry.read()) length += chunk.byteLength;
    assert.equal(length, entry.sizeBytes);
  }
}

let folder: string | undefined;

/** A folder for archives, in which nothing else may ever appear. */
async function scratch(): Promise<string> {
  folder ??= await mkdtemp(path.join(tmpdir(), 'slipway-fuzz-'));
  return folder;
}

/** Removes what the targets wrote; fails if it is more than the archive itself. */
export async function cleanUp(): Promise<void> {
  if (folder === undefined) return;
  const used = folder;
  folder = undefined;
  const found = await readdir(used, { recursive: true });
  await rm(used, { recursive: true });
  assert.deepEqual(found, ['made.tar']);
}

export const TARGETS: Readonly<Record<string, Target>> = {
  manifests: documents(DOCUMENTS, (bytes) => {
    const document = parseManifest(bytes);
    for (const { digest, size } of childrenOf(document)) {
      assert.ok(isDigest(digest));
      whole(size);
    }
  }),
  configs: documents([configJson(), manifestJson()], (bytes) => {
    assert.ok(parseConfig(bytes).diffIds.every(isDigest));
  }),
  "lists of docker's archives": documents(
    [{ list: [{ Config: `${HEX}.json`, RepoTags: ['app:1'], Layers: [`${HEX}/layer.tar`] }] }],
    (bytes) => {
      const text = bytes.toString();
      parseDockerImages(Buffer.from(text.slice(8, -1)), 'it');
    },
  ),
  "docker's config": documents(
    [
      {
        auths: {
          'https://index.docker.io/v1/': { auth: 'YTpi' },
          'a.test:5000': { username: 'a' },
        },
        credHelpers: { 'gcr.io': 'gcloud' },
        credsStore: 'pass',
        HttpHeaders: { 'X-Meta': 'a' },
        proxies: { default: { httpProxy: 'http://a' } },
      },
    ],
    (bytes) => void parseDockerConfig(bytes, 'it'),
  ),
  references: texts(
    ['app', 'localhost:5000/team/app:1', `docker.io/library/app@sha256:${HEX}`, '[::1]:5000/a:b'],
    (text) => {
      const { host, path: repository, tag, digest } = parseReference(text);
      assert.ok(isHost(host) && isRepositoryPath(repository), text);
      assert.ok(!repository.split('/').some((part) => /^\.*$/.test(part)), text);
      assert.ok(tag === undefined || isTag(tag));
      assert.ok(digest === undefined || isDigest(digest));
    },
    'reference.json',
  ),
  digests: texts(
    [`sha256:${HEX}`, `sha512:${HEX}${HEX}`],
    (text) => assert.match(parseDigest(text), /^sha(?:256:[0-9a-f]{64}|512:[0-9a-f]{128})$/),
    'digest.json',
  ),
  platforms: texts(
    ['linux/amd64', 'linux/arm/v7', 'windows(10.0.17763)/amd64', 'linux'],
    (text) => void parsePlatform(text),
    'platform.json',
  ),
  challenges: texts(
    [
      'Bearer realm="https://auth.test/token",service="registry.test",scope="repository:a/b:pull"',
      'Basic realm="x", Bearer realm=https://a.test/, Negotiate abc==',
      'Digest realm="a\\"b", nonce="x", qop="auth, auth-int"',
    ],
    (text) => {
      for (const { scheme } of parseChallenges([text])) assert.match(scheme, /^[^\s"=,]+$/);
    },
    'challenge.json',
  ),
  scopes: texts(
    ['repository:team/app:pull,push', 'registry:catalog:*', 'repository(plugin):a/b:delete'],
    (text) => void parseScopes(text),
    'scope.json',
  ),
  'Link headers': texts(
    ['</v2/a/tags/list?n=1&last=b>; rel="next"', '<a>; rel=prev, <b,;c>; rel="x next"; title="<>"'],
    (text) => {
      const target = nextLink([text]);
      if (target !== undefined) URL.parse(target, FROM.href);
    },
    'link.json',
  ),
  'Location headers': texts(
    ['/v2/a/blobs/uploads/1?_state=a%2Fb', 'https://b.test/x', '//b.test:1/x', 'x', '../x?y#z'],
    (text) => assert.match(uploadLocation(text, FROM).protocol, /^https?:$/),
    'upload.json',
  ),
  'Range headers': texts(
    ['0-9', 'bytes=0-9', 'bytes=-5', 'bytes=5-', 'bytes 0-9/10', 'bytes=0-1,3-4', '0-0'],
    (text) => {
      whole(bytesHeld(text));
      whole(contentRangeStart(text));
      const range = requestedRange(text, 100);
      if (typeof range === 'object') assert.ok(range.first <= range.last && range.last < 100);
      chunkRange(text);
    },
    'range.json',
  ),
  'Retry-After headers': texts(
    ['5', '0.5', 'Wed, 21 Oct 2026 07:28:00 GMT', '-1', '99999999999'],
    (text) => {
      const waitMs = retryAfterMs(text, 0);
      assert.ok(waitMs === undefined || (waitMs >= 0 && Number.isFinite(waitMs)), text);
    },
    'retry.json',
  ),
  'lists of hosts without a proxy': texts(
    ['localhost,127.0.0.0/8,.a.test,[::1]:80', '*', 'a.test:443, 10.0.0.0/33'],
    (text) => void parseNoProxy(text),
  ),
  'texts to be shown': texts(
    [
      'GET https://user:pass@a.test/v2/?token=x&n=1 401 Bearer abc.def',
      '\u001b[31mred\n::error::x ##vso[task]',
    ],
    (text) => assert.doesNotMatch(printable(showText(text)), /[\u0000-\u001f\u007f-\u009f\u202e]/),
    'redact.json',
  ),
  Dockerfiles: texts(
    [
      '# syntax=docker/dockerfile:1\nFROM a AS b\nRUN --mount=type=cache,target=/x <<E cat\nhi\nE\n',
      'FROM scratch\nARG A=$B\nENV A="b c" D=e\\\n f\nCOPY --from=0 --chown=1:2 ["a", "b"] /\n',
      'FROM x\nHEALTHCHECK --interval=5s CMD ["a"]\nONBUILD EXPOSE 80/tcp\nSHELL ["a"]\n',
    ],
    (text) => void parseDockerfile('Dockerfile', Buffer.from(text)),
  ),
  'ignore files': texts(
    ['**/*.md\n!README.md\n', 'a/**/b\n[a-z]?*\n', '# x\n/a/\n\\#\n'],
    (text) => {
      const rules = parseIgnore(Buffer.from(text));
      rules.ignores(`a/${'b/'.repeat(30)}c.md`);
    },
    'dockerignore.json',
  ),
  'tar archives': (random) => {
    const input = makeTar(random);
    return { input, read: async () => await readArchive(input, await scratch()) };
  },
  'tar streams': (random) => {
    const input = makeTar(random);
    return { input, read: () => readAsStream(input) };
  },
  'image archives': (random) => {
    const image = random.of(IMAGES);
    const input = random.once(2)
      ? Buffer.concat([image, makeTar(random)])
      : mutateBytes(random, Buffer.concat([image, RAW_END]));
    const read = async () => {
      const file = path.join(await scratch(), 'made.tar');
      await writeFile(file, input);
      await readAll(file);
    };
    return { input, read };
  },
};
