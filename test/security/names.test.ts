import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after } from 'node:test';
import { dockerSave, json, layer, ociDocuments, ociImage, sha256 } from '../archive/images.ts';
import { RAW_END, rawFile } from '../bytes/tar-fixture.ts';
import { prepareCommandLine } from '../cli/in-process.ts';
import { startFakeRegistry } from '../registry/fake-registry.ts';
import { tempDir } from '../rig/lifetime.ts';
import { ownerWithEnd } from '../rig/owner.ts';
import { row } from './rows.ts';

const { owner, end } = ownerWithEnd();
after(end);
const slipway = await prepareCommandLine(owner);
const dir = await tempDir(owner);
const file = path.join(dir, 'made.tar');
const A = layer('a');
const HEX = 'a'.repeat(64);

/** Texts where a digest belongs, each of which some tool took for a part of a path or URL. */
const DIGESTS = [
  'sha256:../../../../etc/passwd',
  'sha256:..%2f..%2fetc%2fpasswd',
  '../../etc/passwd',
  '/etc/passwd',
  `../sha256:${HEX}`,
  `sha256/../x:${HEX}`,
  `sha256:${HEX.toUpperCase()}`,
  `sha256:${HEX}/../x`,
  `sha256:${HEX}?x=`,
  `sha256:${HEX}\u0000`,
  `sha256:${HEX}\n`,
  `sha256:${HEX.slice(1)}`,
  `md5:${'0'.repeat(32)}`,
  'sha256:',
  ':',
  '',
] as const;

async function archiveOf(...entries: readonly Buffer[]): Promise<string> {
  await writeFile(file, Buffer.concat([...entries, RAW_END]));
  return file;
}

row(
  'Names',
  'CVE-2014-9358, CVE-2014-5282, CVE-2024-3727, CVE-2024-37032',
  'what is no digest reaches neither a path nor a URL, whoever says it',
  async (t) => {
    let said = '';
    const { descriptor, manifest } = ociImage([A]);
    const registry = await startFakeRegistry(t, (call) => {
      if (!call.what.endsWith('manifest') || call.method === 'PUT') return false;
      const type = { 'content-type': descriptor.mediaType };
      const body = { ...JSON.parse(manifest.toString()) };
      body.layers = [{ ...body.layers[0], digest: said }];
      call.answer(200, type, Buffer.from(JSON.stringify(body)));
      return true;
    });
    const before = await readdir(dir, { recursive: true });
    for (const digest of DIGESTS) {
      said = digest;
      const { code, stderr } = await slipway.run(['pull', `${registry.host}/team/app:1`]);
      assert.equal(code, 17, `${digest}: ${stderr}`);
      const index = ociDocuments([{ ...descriptor, digest }]);
      const archive = await archiveOf(...index, rawFile(`blobs/sha256/${HEX}`, manifest));
      for (const args of [
        ['copy', `oci-archive:${archive}`, `docker://${registry.host}/team/app:1`],
        ['load', '-i', archive],
      ]) {
        const result = await slipway.run(args);
        assert.equal(result.code, 17, `${digest}: ${args[0]}: ${result.stderr}`);
      }
    }
    const asked = registry.seen.map((one) => one.path);
    for (const url of asked) assert.match(url, /^\/v2\/(?:team\/app\/manifests\/1)?$/);
    assert.deepEqual(
      (await readdir(dir, { recursive: true })).filter((name) => name !== 'made.tar'),
      before.filter((name) => name !== 'made.tar'),
    );
  },
);

row(
  'Names',
  'CVE-2025-62725, GHSA-xm96-gfjx-jcrc, CVE-2026-50162, CVE-2021-21272',
  'the title of a layer is never the name of a file',
  async (t) => {
    const image = ociImage([A]);
    const body = JSON.parse(image.manifest.toString());
    const elsewhere = await tempDir(t);
    const out = await tempDir(t);
    await symlink(elsewhere, path.join(out, 'link'));
    const titles = ['../../planted', '/tmp/planted', 'link/planted', 'planted', '.'];
    for (const [at, title] of titles.entries()) {
      const annotations = {
        'org.opencontainers.image.title': title,
        'io.deis.oras.content.unpack': 'true',
        'com.docker.compose.file': title,
      };
      const manifest = json({ ...body, layers: [{ ...body.layers[0], annotations }] });
      const hex = sha256(manifest);
      const entry = { ...image.descriptor, digest: `sha256:${hex}`, size: manifest.byteLength };
      const archive = await archiveOf(
        ...ociDocuments([entry]),
        ...image.blobs,
        rawFile(`blobs/sha256/${hex}`, manifest),
      );
      await slipway.must(['copy', `oci-archive:${archive}`, `oci:${out}/layout-${at}:1`]);
      const written = await readdir(out, { recursive: true });
      assert.ok(!written.some((name) => name.includes('planted')), title);
    }
    assert.deepEqual(await readdir(elsewhere), []);
  },
);

/** Names of images and repositories that would lead elsewhere. */
const NAMES = [
  '../x',
  'a/../../x',
  './x',
  'a/./x',
  'a//x',
  '/x',
  'a/..',
  'a:../x',
  'a:..',
  'a\\..\\x',
  'a/X',
  'a/%2e%2e/x',
  'a/\u0000x',
  'a/x\r\nX-Header: y',
  'a/x HTTP/1.1\r\n',
  'a/x?y',
  'a/x#y',
  '-o',
] as const;

row(
  'Names',
  'CVE-2026-35206, CVE-2024-25620, CVE-2026-35204, CVE-2022-31150, CVE-2022-35948, CVE-2022-35949, CVE-2023-23936, CVE-2026-1525, CVE-2026-1527, CVE-2026-15157',
  'names are checked before anything is made of them: no path that climbs, no further header',
  async (t) => {
    const registry = await startFakeRegistry(t);
    await archiveOf(...dockerSave([A], ['app:1']));
    await slipway.must(['load', '-i', file]);
    const before = await readdir(dir, { recursive: true });
    for (const name of NAMES) {
      const full = `${registry.host}/${name}`;
      for (const args of [
        ['push', '--from', `docker-archive:${file}`, full],
        ['pull', full],
        ['ls', full],
        ['inspect', full],
        ['rm', full],
        ['tag', 'app:1', name],
        ['load', '-i', file, `app:1=${name}`],
        ['copy', `docker-archive:${file}`, `docker://${full}`],
      ]) {
        const { code, stderr } = await slipway.run(args);
        assert.notEqual(code, 0, `${args.join(' ')}: ${stderr}`);
        assert.doesNotMatch(stderr, /bug of slipway/, args.join(' '));
      }
    }
    for (const { path: url, headers } of registry.seen) {
      assert.doesNotMatch(url, /\.\.|%|\\|[\r\n]|\/\/|\/\.\//);
      assert.equal(headers['x-header'], undefined);
    }
    assert.deepEqual(await readdir(dir, { recursive: true }), before);
    await slipway.must(['rmi', 'app:1']);
  },
);

row(
  'Names',
  'CVE-2026-24137, CVE-2026-24686',
  'what is kept here is named by hashes, and by no text from elsewhere',
  async (t) => {
    const marker = 'marker.name-of';
    const registry = await startFakeRegistry(t);
    const name = `${registry.host}/${marker}/app:${marker}-tag`;
    await archiveOf(...dockerSave([A], [name]));
    await slipway.must(['load', '-i', file]);
    await slipway.must(['push', name]);
    await slipway.must(['pull', name]);
    await slipway.run(['ls', `${registry.host}/${marker}/app`]);
    const kept = await readdir(slipway.home, { recursive: true });
    assert.ok(kept.length > 5, kept.join());
    for (const each of kept) assert.ok(!each.includes(marker), each);
    await slipway.must(['rmi', name]);
  },
);

row(
  'Names',
  'CVE-2026-50195',
  'an archive gives the names that it holds, tells which of ours it takes, and none where we say so',
  async () => {
    await archiveOf(...dockerSave([A], ['team/app:1']));
    await slipway.must(['load', '-i', file]);
    await archiveOf(...dockerSave([layer('b')], ['team/app:1']));
    const unnamed = await slipway.run(['load', '-i', file, '--no-names']);
    assert.equal(unnamed.code, 0, unnamed.stderr);
    const { stdout, stderr } = await slipway.run(['load', '-i', file]);
    assert.match(stdout + stderr, /team\/app:1.*sha256:[0-9a-f]{12}/s);
    assert.match(stdout + stderr, /replace|was|moved|instead/, stdout + stderr);
    for (const bad of ['../x:1', 'A:1', 'a/b:c:d', '/etc/passwd', 'x\u001b[2J']) {
      await archiveOf(...dockerSave([A], [bad]));
      const result = await slipway.run(['load', '-i', file]);
      assert.equal(result.code, 2, `${bad}: ${result.stderr}`);
      assert.ok(!result.stderr.includes('\u001b'));
    }
    await slipway.must(['rmi', 'team/app:1']);
  },
);

row(
  'Names',
  'CVE-2023-0778, CVE-2025-9566, CVE-2024-9341, CVE-2024-9676, CVE-2026-55686',
  'paths that an image names are never those of this machine',
  async (t) => {
    const context = await tempDir(t);
    const secret = path.join(await tempDir(t), 'secret');
    await writeFile(secret, 'untouched');
    await mkdir(path.join(context, 'in'));
    await symlink(path.dirname(secret), path.join(context, 'in/way'));
    await writeFile(path.join(context, 'planted'), 'planted');
    const dockerfile =
      'FROM scratch\nCOPY in/ /\nCOPY planted /way/secret\nVOLUME /way\nWORKDIR /way/x\n';
    await writeFile(path.join(context, 'Dockerfile'), dockerfile);
    const out = path.join(await tempDir(t), 'out');
    const args = ['build', '--engine', 'native', '-t', 'app:2', '-o', out, context];
    const { stderr } = await slipway.run(args);
    assert.equal(await readFile(secret, 'utf8'), 'untouched', stderr);
    assert.deepEqual(await readdir(path.dirname(secret)), ['secret'], stderr);
  },
);
