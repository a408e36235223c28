import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { openLayout } from '../../src/layout/layout.ts';
import { digestHex, parseDigest } from '../../src/oci/digest.ts';
import { testRegistry } from '../content/places.ts';
import { tempDir } from '../rig/lifetime.ts';
import { dockerArchive, fileOf } from './archives.ts';
import { prepareCommandLine } from './in-process.ts';
import { LAYERS, multiLayout, prepare } from './scene.ts';

test('push ends with HOST/PATH@sha256:…, one line for each destination', async (t) => {
  const { run, must, host, archive, repository } = await prepare(t);
  const other = await testRegistry(t);
  const refs = [`${host}/one:1`, `${host}/one:2`, `${host}/two`, `${other.registry.host}/three:1`];
  const { code, stdout, stderr } = await run([
    'push',
    '--from',
    `docker-archive:${archive}`,
    ...refs,
  ]);
  assert.equal(code, 0, stderr);
  const lines = stdout.trimEnd().split('\n');
  const digest = (await repository('one').resolve('1')).digest;
  assert.deepEqual(lines, [
    `${host}/one@${digest}`,
    `${host}/two@${digest}`,
    `${other.registry.host}/three@${digest}`,
  ]);
  for (const line of lines) assert.ok(stderr.includes(line.split('@')[0] as string));
  assert.deepEqual(await must(['ls', `${host}/one`]), [
    `TAG   DIGEST`,
    `1     ${digest}`,
    `2     ${digest}`,
  ]);
  assert.deepEqual(await must(['ls', `${host}/two`]), [`TAG      DIGEST`, `latest   ${digest}`]);
});

test('--format json tells what became of each destination', async (t) => {
  const { must, host, archive, repository } = await prepare(t);
  const push = ['push', '-q', '--format', 'json', '--from', `docker-archive:${archive}`];
  const first = JSON.parse(
    (await must([...push, '--tag', 'b', '--tag', 'c', `${host}/app:a`])).join(''),
  );
  const { digest, size, mediaType } = await repository('app').resolve('a');
  assert.equal(first.destinations.length, 1);
  const [destination] = first.destinations;
  assert.deepEqual(
    { ...destination, bytesSent: 0, requests: 0, durationMs: 0 },
    {
      ref: `${host}/app`,
      digest,
      mediaType,
      size,
      tags: ['a', 'b', 'c'],
      status: 'published',
      bytesSent: 0,
      bytesMounted: 0,
      bytesPresent: 0,
      requests: 0,
      durationMs: 0,
    },
  );
  for (const field of ['bytesSent', 'requests', 'durationMs']) {
    assert.ok(Number.isInteger(destination[field]) && destination[field] > 0, field);
  }
  const again = JSON.parse((await must([...push, `${host}/app:a`])).join(''));
  const { status, bytesSent, requests } = again.destinations[0];
  assert.deepEqual(
    { status, bytesSent, requests },
    { status: 'present', bytesSent: 0, requests: 1 },
  );
});

test('a failure is in the JSON too, beside the message, and no tag moves', async (t) => {
  const { run, host, archive, repository } = await prepare(t);
  const closed = await testRegistry(t, { readOnly: true });
  const refs = [`${host}/app:1`, `${closed.registry.host}/app:1`];
  const from = ['push', '--from', `docker-archive:${archive}`];
  const { code, stdout, stderr } = await run([...from, '--format', 'json', ...refs]);
  assert.equal(code, 15);
  const { destinations, error } = JSON.parse(stdout);
  assert.equal(error.code, 'UNSUPPORTED');
  assert.deepEqual(
    destinations.map((each: { status: string }) => each.status),
    ['held', 'failed'],
  );
  assert.equal(destinations[1].error.code, 'UNSUPPORTED');
  assert.match(stderr, /^slipway: .*read-only/m);
  assert.match(stderr, /^ {2}where: destination/m);
  await assert.rejects(repository('app').resolve('1'), { code: 'NOT_FOUND' });
  const text = await run([...from, ...refs]);
  assert.equal(text.stdout, '');
});

test('digest files and reference files hold what was published, and only then', async (t) => {
  const { run, must, host, archive, repository } = await prepare(t);
  const folder = await tempDir(t);
  const [digestfile, refs] = [path.join(folder, 'digest'), path.join(folder, 'refs')];
  const files = ['--digestfile', digestfile, '--image-refs', refs];
  const push = ['push', '-q', ...files, '--from', `docker-archive:${archive}`];
  const failed = await run([...push, '--retries', '0', '127.0.0.1:1/app:1']);
  assert.equal(failed.code, 16);
  assert.deepEqual(await readdir(folder), []);
  await must([...push, `${host}/app:1`, `${host}/other:1`]);
  const { digest } = await repository('app').resolve('1');
  assert.equal(await readFile(digestfile, 'utf8'), `${digest}\n`);
  assert.equal(await readFile(refs, 'utf8'), `${host}/app@${digest}\n${host}/other@${digest}\n`);
  assert.deepEqual((await readdir(folder)).toSorted(), ['digest', 'refs']);

  const nowhere = ['--digestfile', path.join(folder, 'nosuch/digest')];
  const refused = await run([
    'push',
    ...nowhere,
    '--from',
    `docker-archive:${archive}`,
    `${host}/new:1`,
  ]);
  assert.equal(refused.code, 2);
  await assert.rejects(repository('new').resolve('1'), { code: 'NOT_FOUND' });
});

test('local images are one release: one that is not there stops all before anything is sent', async (t) => {
  const commands = await prepareCommandLine(t);
  const { registry, repository, requests } = await testRegistry(t);
  const names = [`${registry.host}/app:1`, `${registry.host}/app:2`, `${registry.host}/worker`];
  const archive = await fileOf(t, 'app.tar', dockerArchive({ names, layers: LAYERS }));
  await commands.must(['load', '-q', '-i', archive]);
  const missingOne = await commands.run(['push', ...names, `${registry.host}/nosuch:1`]);
  assert.equal(missingOne.code, 12);
  assert.equal(requests.length, 0);
  const { code, stdout, stderr } = await commands.run(['push', ...names]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^Using default tag: latest$/m);
  const { digest } = await repository('worker').resolve('latest');
  assert.deepEqual(stdout.trimEnd().split('\n'), [
    `${registry.host}/app@${digest}`,
    `${registry.host}/app@${digest}`,
    `${registry.host}/worker@${digest}`,
  ]);
  await commands.must(['push', '--all-tags', '-q', `${registry.host}/app`]);
  const none = await commands.run(['push', '-a', `${registry.host}/nosuch`]);
  assert.equal(none.code, 12);
});

test('an index goes store → registry → store → archive → layout with one digest', async (t) => {
  const { must, host, registry } = await prepare(t);
  const { dir, index } = await multiLayout(t);
  const folder = await tempDir(t);
  const to = `${host}/multi:1`;
  const digest = /sha256:[0-9a-f]+$/;
  for (const args of [
    ['copy', `oci:${dir}:multi`, to],
    ['push', to],
    ['rmi', to],
    ['pull', to],
    ['copy', to, `oci-archive:${folder}/multi.tar:m`],
    ['copy', `oci-archive:${folder}/multi.tar:m`, `docker://${host}/again:1`],
    ['copy', `docker://${host}/again@${index.digest}`, `oci:${folder}/layout:m`],
    ['verify', '--deep', `oci:${folder}/layout:m`],
    ['verify', '--deep', `oci:${registry.storage}/again:1`],
    ['verify', '--deep', `oci-archive:${folder}/multi.tar:m`],
  ]) {
    const line = (await must([...args])).at(-1) ?? '';
    if (args[0] !== 'rmi') assert.equal(digest.exec(line)?.[0], index.digest, args.join(' '));
  }
  const layout = await openLayout(`${folder}/layout`);
  assert.equal(await layout.exists(index), true);
});

test('--platform reduces, --single takes one image bare, --all-platforms takes all', async (t) => {
  const { must, run, host, repository } = await prepare(t);
  const { dir, index, images } = await multiLayout(t);
  const push = async (tag: string, ...flags: string[]) => {
    const from = ['push', '-q', '--from', `oci:${dir}:multi`];
    await must([...from, ...flags, `${host}/app:${tag}`]);
    return (await repository('app').resolve(tag)).digest;
  };
  assert.equal(await push('both', '--platform', 'linux/amd64,linux/arm64'), index.digest);
  assert.equal(await push('all', '--platform', 'linux/arm64', '--all-platforms'), index.digest);
  assert.equal(await push('bare', '--platform', 'arm64', '--single'), images[1]?.digest);
  const reduced = await push('one', '--platform', 'linux/arm64');
  const shown = JSON.parse((await must(['inspect', `${host}/app:one`])).join('\n'));
  assert.equal(shown.digest, reduced);
  assert.deepEqual(
    shown.manifests.map((entry: { platform: string }) => entry.platform),
    ['linux/arm64'],
  );
  const wrong = ['push', '--from', `oci:${dir}:multi`, '--platform', 'linux/s390x', `${host}/no:1`];
  const { code, stderr } = await run(wrong);
  assert.equal(code, 12);
  assert.match(stderr, /hint: it has linux\/amd64, linux\/arm64/);
  assert.equal(
    (await run(['push', '--single', '--from', `oci:${dir}:multi`, `${host}/a`])).code,
    2,
  );
  for (const [command, to] of [
    ['pull', undefined],
    ['save', '-o'],
  ] as const) {
    const file = path.join(await tempDir(t), 'out.tar');
    const out = to === undefined ? [] : [to, file];
    await must([command, '-q', '--platform', 'linux/amd64', ...out, `${host}/app:both`]);
  }
  assert.deepEqual(await must(['images', '--format', '{{.Platform}}']), ['linux/amd64']);
});

test('--compression decides how raw layers travel; keep and none leave them', async (t) => {
  const { must, host, archive, repository } = await prepare(t);
  const unpackers = {
    gzip: gunzipSync,
    zstd: zstdDecompressSync,
    none: Buffer.from,
    keep: Buffer.from,
  };
  for (const [format, unpack] of Object.entries(unpackers)) {
    const dir = path.join(await tempDir(t), 'layout');
    const level = format === 'gzip' ? ['--compression-level', '1'] : [];
    for (const [command, to] of [
      ['copy', `oci:${dir}:1`],
      ['copy', `docker://${host}/copied:${format}`],
      ['push', `${host}/pushed:${format}`],
    ] as const) {
      const flags = ['-q', '--compression', format, ...level];
      const from = `docker-archive:${archive}`;
      await must(
        command === 'copy'
          ? [command, ...flags, from, to]
          : [command, ...flags, '--from', from, to],
      );
    }
    const layout = await openLayout(dir);
    const top = await layout.resolve('1');
    const { digest } = await repository('pushed').resolve(format);
    assert.equal(digest, top.digest);
    assert.equal((await repository('copied').resolve(format)).digest, digest);
    const file = (text: string) =>
      readFile(path.join(dir, 'blobs/sha256', digestHex(parseDigest(text))));
    const manifest = JSON.parse((await file(digest)).toString());
    for (const [at, layer] of manifest.layers.entries()) {
      assert.deepEqual(unpack(await file(layer.digest)), LAYERS[at]);
    }
    const ending = { gzip: '+gzip', zstd: '+zstd' }[format] ?? 'tar';
    assert.ok(manifest.layers[0].mediaType.endsWith(ending));
  }
});

test('what copy puts into archives and the store is not compressed unless asked', async (t) => {
  const { must, archive } = await prepare(t);
  const from = `docker-archive:${archive}`;
  await must(['copy', '-q', from, 'app:raw']);
  await must(['copy', '-q', '--compression', 'gzip', from, 'app:gzip']);
  const rows = await must(['images', '--format', '{{.Tag}} {{.Size}}']);
  assert.deepEqual(rows, ['gzip -', 'raw 62.5 KiB']);
});
