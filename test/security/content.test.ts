import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after } from 'node:test';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPE } from '../../src/oci/mediatype.ts';
import { dockerSave, json, layer, ociDocuments, ociImage } from '../archive/images.ts';
import { RAW_END, rawFile } from '../bytes/tar-fixture.ts';
import { prepareCommandLine } from '../cli/in-process.ts';
import { type Call, errors, startFakeRegistry } from '../registry/fake-registry.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { ownerWithEnd } from '../rig/owner.ts';
import { row } from './rows.ts';

const { owner, end } = ownerWithEnd();
after(end);
const slipway = await prepareCommandLine(owner);
const dir = await tempDir(owner);
const A = layer('a');
const B = layer('b');
const IMAGE = ociImage([A]);
const OTHER = ociImage([B]);
const BLOBS = [A, B, IMAGE.config, OTHER.config];

/** Runs a command with an empty store: what is there is not asked for. */
async function freshly(args: readonly string[]) {
  const SLIPWAY_HOME = await tempDir(owner);
  const result = await slipway.run(args, undefined, { SLIPWAY_HOME });
  const images = await slipway.run(['images', '-q'], undefined, { SLIPWAY_HOME });
  assert.equal(images.stdout, '', `${args.join(' ')} left an image: ${result.stderr}`);
  return result;
}

/** What a registry does instead of what it should; undefined where it behaves. */
type Lie = (call: Call, wanted: string) => Buffer | { type: string; bytes: Buffer } | undefined;

/** A registry with two images in `team/app`, tags `1` and `2`, that lies. */
async function liar(t: Owner, lie: Lie) {
  return await startFakeRegistry(t, (call) => {
    if (call.method !== 'GET' && call.method !== 'HEAD') return false;
    const wanted = decodeURIComponent(call.url.pathname.split('/').at(-1) ?? '');
    const manifests: Record<string, Buffer> = { 1: IMAGE.manifest, 2: OTHER.manifest };
    for (const { manifest } of [IMAGE, OTHER]) manifests[digestOf(manifest)] = manifest;
    const isManifest = call.what.endsWith('manifest');
    const honest = isManifest ? manifests[wanted] : BLOBS.find((each) => digestOf(each) === wanted);
    const said = lie(call, wanted) ?? honest;
    if (said === undefined) return false;
    const { type, bytes } = Buffer.isBuffer(said)
      ? { type: isManifest ? IMAGE.descriptor.mediaType : 'application/octet-stream', bytes: said }
      : said;
    call.answer(200, { 'content-type': type }, bytes);
    return true;
  });
}

/** Reads an image in every way; each has to fail as corrupt, and to keep nothing. */
async function assertCorrupt(host: string, what: string, reference = 'app:1'): Promise<void> {
  const out = await tempDir(owner);
  for (const args of [
    ['pull', `${host}/team/${reference}`],
    ['copy', `docker://${host}/team/${reference}`, `oci:${out}/layout:1`],
    ['copy', `docker://${host}/team/${reference}`, `docker-archive:${out}/image.tar`],
    ['verify', '--deep', `${host}/team/${reference}`],
  ]) {
    const { code, stderr } = await freshly([...args, '--retries', '1']);
    assert.equal(code, 17, `${what}: ${args.join(' ')}: ${stderr}`);
    assert.match(stderr, /^slipway: /m);
  }
  assert.deepEqual(await slipway.must(['images', '-q']), [''], what);
  assert.deepEqual(
    (await readdir(out)).filter((name) => name.endsWith('.tar')),
    [],
    what,
  );
}

row(
  'Content',
  'CVE-2021-41190',
  'a document that could be two things, or is not what it is sent as, is refused',
  async (t) => {
    const manifest = JSON.parse(IMAGE.manifest.toString());
    const index = { manifests: [OTHER.descriptor] };
    const { mediaType: _, ...untyped } = manifest;
    const oci = MEDIA_TYPE.ociManifest;
    for (const [what, type, document] of [
      ['layers and manifests', oci, { ...manifest, ...index }],
      ['layers and manifests, without a type', oci, { ...untyped, ...index }],
      ['a manifest sent as an index', MEDIA_TYPE.ociIndex, manifest],
      ['a manifest without a type sent as an index', MEDIA_TYPE.ociIndex, untyped],
      ['an index sent as a manifest', oci, { schemaVersion: 2, ...index }],
      [
        'an index that calls itself a manifest',
        oci,
        { schemaVersion: 2, mediaType: oci, ...index },
      ],
      ['twin keys', oci, { ...manifest, Layers: [] }],
    ] as const) {
      const bytes = json(document);
      const { host } = await liar(t, ({ what: kind }) =>
        kind.endsWith('manifest') ? { type, bytes } : undefined,
      );
      await assertCorrupt(host, what);
    }
  },
);

row(
  'Content',
  'CVE-2014-8179, CVE-2014-8178, CVE-2025-24882, GHSA-qv35-3gw6-8q4j, CVE-2026-42575, CVE-2026-54174',
  'what is asked for by digest has that digest, or is refused and not kept',
  async (t) => {
    const { digest } = IMAGE.descriptor;
    for (const [what, lie] of [
      ['another manifest', (_, wanted) => (wanted === digest ? OTHER.manifest : undefined)],
      ['another layer', (_, wanted) => (wanted === digestOf(A) ? B : undefined)],
      [
        'a layer with a flipped bit',
        (_, wanted) => (wanted === digestOf(A) ? flipped(A) : undefined),
      ],
      [
        'another config',
        (_, wanted) => (wanted === digestOf(IMAGE.config) ? flipped(IMAGE.config) : undefined),
      ],
      ['a layer that is cut', (_, wanted) => (wanted === digestOf(A) ? A.subarray(1) : undefined)],
    ] as [string, Lie][]) {
      const { host } = await liar(t, lie);
      await assertCorrupt(host, what, `app@${digest}`);
    }
  },
);

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[100] = (copy[100] ?? 0) ^ 1;
  return copy;
}

row(
  'Content',
  'CVE-2017-14992, archives with wrong layers that crane takes',
  'an archive whose layers, config or their number do not fit is refused before anything is sent',
  async (t) => {
    const registry = await startFakeRegistry(t);
    const file = path.join(dir, 'made.tar');
    const layers = [A, B];
    const good = dockerSave(layers, ['app:1']);
    const list = (changes: object) => {
      const text = Buffer.concat(good).toString('latin1');
      const at = text.lastIndexOf('[{"Config"');
      const [image] = JSON.parse(text.slice(at, text.indexOf('}]', at) + 2));
      return rawFile('manifest.json', json([{ ...image, ...changes }]));
    };
    const [path1 = '', path2 = ''] = [
      ...Buffer.concat(good)
        .toString('latin1')
        .matchAll(/"([0-9a-f]{64}\/layer\.tar)"/g),
    ].map(([, name = '']) => name);
    const firsts = good.slice(0, -1);
    for (const [what, entries] of [
      [
        'another layer',
        firsts
          .map((each) => (each.equals(rawFile(path1, A)) ? rawFile(path1, flipped(A)) : each))
          .concat(list({})),
      ],
      ['layers in another order', [...firsts, list({ Layers: [path2, path1] })]],
      ['a layer more', [...firsts, list({ Layers: [path1, path2, path2] })]],
      ['a layer less', [...firsts, list({ Layers: [path1] })]],
      ['no config', [...firsts, list({ Config: null })]],
      ['a config that is null', [...firsts, rawFile('c.json', 'null'), list({ Config: 'c.json' })]],
      ['a layer that is missing', [...firsts, list({ Layers: [path1, 'none/layer.tar'] })]],
      ['a config outside', [...firsts, list({ Config: '../../etc/passwd' })]],
    ] as const) {
      await writeFile(file, Buffer.concat([...entries, RAW_END]));
      for (const args of [
        ['push', '--from', `docker-archive:${file}`, `${registry.host}/team/app:1`],
        ['load', '-i', file],
      ]) {
        const { code, stderr } = await freshly(args);
        assert.ok(code === 17 || code === 2, `${what}: ${args[0]}: ${code} ${stderr}`);
        assert.doesNotMatch(stderr, /bug of slipway/, what);
      }
      assert.equal(registry.manifests.size, 0, what);
    }
  },
);

row(
  'Content',
  'descriptors that lie about size and data',
  'a descriptor tells size, digest and data of its content, or its manifest is refused',
  async () => {
    const file = path.join(dir, 'made.tar');
    const body = JSON.parse(IMAGE.manifest.toString());
    const [described] = body.layers;
    for (const [what, changes] of [
      ['a size too small', { size: described.size - 1 }],
      ['a size too large', { size: described.size + 1 }],
      ['a negative size', { size: -1 }],
      ['a size that is no number', { size: '1' }],
      ['other data', { data: Buffer.from('other').toString('base64') }],
    ] as const) {
      const manifest = json({ ...body, layers: [{ ...described, ...changes }] });
      const digest = digestOf(manifest);
      const entry = { ...IMAGE.descriptor, digest, size: manifest.byteLength };
      const blob = rawFile(`blobs/sha256/${digest.slice(7)}`, manifest);
      const entries = [...ociDocuments([entry]), ...IMAGE.blobs, blob, RAW_END];
      await writeFile(file, Buffer.concat(entries));
      for (const args of [
        ['copy', `oci-archive:${file}`, `oci:${dir}/out:1`],
        ['load', '-i', file],
      ]) {
        const { code, stderr } = await freshly(args);
        assert.equal(code, 17, `${what}: ${args[0]}: ${stderr}`);
      }
    }
  },
);

row(
  'Content',
  'CVE-2026-45781',
  'a check that could not be made is a failure, and nothing is published',
  async (t) => {
    const file = path.join(dir, 'made.tar');
    await writeFile(file, Buffer.concat([...dockerSave([A], ['app:1']), RAW_END]));
    for (const status of [429, 500, 401, 403]) {
      const registry = await startFakeRegistry(t, async (call) => {
        if (call.method !== 'GET' && call.method !== 'HEAD') return false;
        if (!call.what.endsWith('manifest')) return false;
        call.answer(status, {}, errors('TOOMANYREQUESTS'));
        return true;
      });
      const to = `${registry.host}/team/app:1`;
      for (const condition of [['--if-absent'], ['--if-digest', digestOf('x')]]) {
        const args = [
          'push',
          '--from',
          `docker-archive:${file}`,
          to,
          ...condition,
          '--retries',
          '0',
        ];
        const { code, stderr } = await slipway.run(args);
        assert.notEqual(code, 0, `${status}: ${stderr}`);
        assert.equal(registry.manifests.has('team/app:1'), false, `${status}`);
      }
    }
  },
);

row(
  'Content',
  'CVE-2026-39395, GHSA-w6c6-c85g-mmv6, CVE-2026-22703, CVE-2026-44310',
  'verify says that an image is whole only if all of it was read and found right',
  async (t) => {
    for (const [what, lie] of [
      [
        'an empty manifest',
        (call) => (call.what.endsWith('manifest') ? Buffer.alloc(0) : undefined),
      ],
      ['a list', (call) => (call.what.endsWith('manifest') ? Buffer.from('[]') : undefined)],
      ['null', (call) => (call.what.endsWith('manifest') ? Buffer.from('null') : undefined)],
      [
        'a cut manifest',
        (call) => (call.what.endsWith('manifest') ? IMAGE.manifest.subarray(0, 99) : undefined),
      ],
      ['an empty layer', (_, wanted) => (wanted === digestOf(A) ? Buffer.alloc(0) : undefined)],
      [
        'a config that is no config',
        (_, wanted) => (wanted === digestOf(IMAGE.config) ? Buffer.from('{}') : undefined),
      ],
    ] as [string, Lie][]) {
      const { host } = await liar(t, lie);
      for (const args of [['--deep'], ['--deep', '--json']]) {
        const { code, stderr } = await slipway.run(['verify', `${host}/team/app:1`, ...args]);
        assert.notEqual(code, 0, `${what}: ${stderr}`);
      }
    }
    const { host } = await liar(t, () => undefined);
    await slipway.must(['verify', '--deep', `${host}/team/app:1`]);
  },
);
