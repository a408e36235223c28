import assert from 'node:assert/strict';
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { bytesOf } from '../content/images.ts';
import { tempDir } from '../rig/lifetime.ts';
import { MAIN } from '../rig/main.ts';
import { missing, mustRun } from '../rig/programs.ts';
import { dockerArchive, fileOf, layerOf } from './archives.ts';
import { prepareCommandLine } from './in-process.ts';

const BASE = layerOf('base', bytesOf('base', 50_000));
const layersOf = (name: string) => [BASE, layerOf('app', name)];
const APP = dockerArchive({ names: ['app:1'], layers: layersOf('app') });

const digestOfLine = (text: string) => /sha256:[0-9a-f]{64}/.exec(text)?.[0];

test('load, images, tag, rmi: names come and go as docker shows them', async (t) => {
  const { run, must } = await prepareCommandLine(t);
  const file = await fileOf(t, 'app.tar', APP);
  assert.deepEqual(await must(['load', '-i', file]), ['Loaded image: app:1']);
  assert.deepEqual(await must(['tag', 'app:1', 'localhost:5000/team/app']), ['']);
  const rows = await must(['images']);
  assert.match(rows[0] ?? '', /^REPOSITORY +TAG +IMAGE ID +CREATED +PLATFORM +SIZE +BLOB SIZE$/);
  assert.match(
    rows[1] ?? '',
    /^app +1 +[0-9a-f]{12} +\d+ \w+ ago +linux\/amd64 +5\d\.\d KiB +5\d\.\d KiB$/,
  );
  assert.match(rows[2] ?? '', /^localhost:5000\/team\/app +latest +[0-9a-f]{12} /);

  assert.deepEqual(await must(['rmi', 'app:1']), ['Untagged: app:1']);
  assert.equal((await must(['image', 'ls', '-q'])).length, 1);
  const missingToo = await run(['rmi', 'localhost:5000/team/app', 'nosuch:7']);
  assert.equal(missingToo.code, 12);
  assert.match(
    missingToo.stdout,
    /^Untagged: localhost:5000\/team\/app:latest\n(?:Deleted: sha256:[0-9a-f]{64}\n){4}$/,
  );
  assert.match(missingToo.stderr, /No such image: nosuch:7/);
  assert.equal((await run(['rmi', '-f', 'nosuch:7'])).code, 0);
  assert.deepEqual(await must(['images', '-q']), ['']);
});

test('the flags of images choose rows and columns', async (t) => {
  const { run, must } = await prepareCommandLine(t);
  const archive = dockerArchive(
    { names: ['team/app:1', 'team/app:2'], layers: layersOf('one') },
    { names: ['other:1'], layers: layersOf('two') },
  );
  await must(['load', '-i', await fileOf(t, 'two.tar', archive)]);
  await must(['load', '--no-names', '-i', await fileOf(t, 'app.tar', APP)]);
  const list = async (...args: string[]) => (await must(['images', ...args])).filter(Boolean);
  const format = ['--format', '{{.Repository}}:{{.Tag}}'];
  assert.deepEqual(await list(...format), ['other:1', 'team/app:1', 'team/app:2', '<none>:<none>']);
  assert.deepEqual(await list('-a', ...format), await list(...format));
  assert.deepEqual(await list('team/app', ...format), ['team/app:1', 'team/app:2']);
  assert.deepEqual(await list('team/app:2', ...format), ['team/app:2']);
  assert.deepEqual(await list('--filter', 'reference=team/*', ...format), [
    'team/app:1',
    'team/app:2',
  ]);
  assert.deepEqual(await list('-f', 'reference=*:1', ...format), ['other:1']);
  assert.deepEqual(await list('-f', 'dangling=true', ...format), ['<none>:<none>']);
  assert.equal((await list('-f', 'dangling=false', ...format)).length, 3);
  assert.equal((await list('-q')).length, 3);
  for (const line of await list('-q', '--no-trunc')) assert.match(line, /^sha256:[0-9a-f]{64}$/);
  assert.match((await list('--digests'))[0] ?? '', /TAG +DIGEST +IMAGE ID/);
  assert.match((await list('--names', 'team/app:1'))[1] ?? '', /^docker\.io\/team\/app:1 /);
  assert.deepEqual(await list('--format', '{{.Tag}}\\t{{ .ID }}', 'other'), [
    `1\t${(await list('-q', 'other'))[0]}`,
  ]);
  for (const line of await list('--format', 'json'))
    assert.equal(typeof JSON.parse(line).ID, 'string');
  const unknown = await run(['images', '--format', '{{.Nope}}']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /fields are \{\{\.Repository\}\}/);
});

test('a name that moves is told with both digests, and the old image stays without a name', async (t) => {
  const { run, must } = await prepareCommandLine(t);
  await must(['load', '-i', await fileOf(t, 'app.tar', APP)]);
  const other = dockerArchive({ names: ['app:1'], layers: layersOf('another') });
  const { code, stderr, stdout } = await run(['load', '-i', await fileOf(t, 'other.tar', other)]);
  assert.equal(code, 0);
  assert.equal(stdout, 'Loaded image: app:1\n');
  assert.match(stderr, /app:1 moved: sha256:[0-9a-f]{64} → sha256:[0-9a-f]{64}/);
  assert.equal((await must(['images', '-f', 'dangling=true', '-q'])).filter(Boolean).length, 1);
  const pruned = await must(['image', 'prune', '--force']);
  assert.match(pruned[0] ?? '', /^untagged: sha256:/);
  assert.match(pruned.at(-1) ?? '', /^Total reclaimed space: \d/);
  assert.equal((await must(['images', '-q'])).length, 1);
});

test('prune shows first what would go, and takes nothing then', async (t) => {
  const { must } = await prepareCommandLine(t);
  await must(['load', '--no-names', '-i', await fileOf(t, 'app.tar', APP)]);
  const shown = await must(['image', 'prune', '--dry-run']);
  assert.match(shown.at(-1) ?? '', /^Total would be reclaimed space: 5\d\.\d KiB$/);
  assert.equal((await must(['images', '-q'])).length, 1);
  const pruned = await must(['image', 'prune', '-f']);
  assert.deepEqual(pruned.slice(0, -1), shown.slice(0, -1));
});

test('load takes names of its own, none, several, and one image of many', async (t) => {
  const { run, must } = await prepareCommandLine(t);
  const file = await fileOf(
    t,
    'two.tar',
    dockerArchive(
      { names: ['one:1'], layers: layersOf('one') },
      { names: ['two:1'], layers: layersOf('two') },
    ),
  );
  assert.deepEqual(await must(['load', '-i', file, 'one:1=mine:a', 'one:1=mine:b']), [
    'Loaded image: mine:a',
    'Loaded image: mine:b',
  ]);
  const names = await must(['images', '--format', '{{.Repository}}:{{.Tag}}']);
  assert.deepEqual(names, ['mine:a', 'mine:b']);
  const several = await run(['load', '-i', file, '=mine:c']);
  assert.equal(several.code, 2);
  assert.match(several.stderr, /holds 2 images; name one/);
  const unknown = await run(['load', '-i', file, 'three=mine:c']);
  assert.equal(unknown.code, 12);
  assert.match(unknown.stderr, /hint: it holds one:1, two:1/);
  assert.deepEqual(await must(['images', '--format', '{{.Repository}}:{{.Tag}}']), names);
});

test('plain, gzip and zstd archives, from a file or standard input, are the same image', async (t) => {
  const { must, program } = await prepareCommandLine(t);
  const digests = new Set<string>();
  for (const bytes of [APP, gzipSync(APP), zstdCompressSync(APP)]) {
    const file = await fileOf(t, 'app', bytes);
    const runs = [
      await must(['load', '--no-names', '-q', '-i', file]),
      await program.must(['load', '--no-names', '-q'], { stdin: bytes }),
      await program.must(['load', '--no-names', '-q', '-i', '-'], { stdin: bytes }),
    ];
    for (const [line = ''] of runs) digests.add(line);
  }
  assert.equal(digests.size, 1);
  assert.match([...digests][0] ?? '', /^Loaded image ID: sha256:[0-9a-f]{64}$/);
});

test('save and load give the same digests back, on a file and on standard output', async (t) => {
  const from = await prepareCommandLine(t);
  const to = await prepareCommandLine(t);
  await from.must(['load', '-i', await fileOf(t, 'app.tar', APP)]);
  await from.must(['tag', 'app:1', 'other/name:2']);
  const folder = await tempDir(t);
  const file = path.join(folder, 'saved.tar');
  assert.deepEqual(await from.must(['save', '-o', file, 'app:1', 'other/name:2']), ['']);
  assert.deepEqual((await to.must(['load', '-i', file])).toSorted(), [
    'Loaded image: app:1',
    'Loaded image: other/name:2',
  ]);
  const ids = ['images', '-q', '--no-trunc'];
  assert.deepEqual(await to.must(ids), await from.must(ids));

  const saved = await from.program.run(['save', '-q', 'app:1', 'other/name:2']);
  assert.equal(saved.stderr, '');
  assert.equal(saved.stdout, (await readFile(file)).toString());
});

test('skopeo reads what save writes, and a copy to standard output', {
  skip: missing('skopeo'),
}, async (t) => {
  const { must, env } = await prepareCommandLine(t);
  await must(['load', '-i', await fileOf(t, 'app.tar', APP)]);
  const folder = await tempDir(t);
  await must(['save', '-o', path.join(folder, 'saved.tar'), 'app:1']);
  const piped = path.join(folder, 'piped.tar');
  const script = `"${process.execPath}" "${MAIN}" copy -q app:1 oci-archive:- > "${piped}"`;
  await mustRun('sh', ['-c', script], { env });
  for (const location of [
    `docker-archive:${folder}/saved.tar:app:1`,
    `oci-archive:${folder}/saved.tar:1`,
    `oci-archive:${piped}`,
  ]) {
    const { Architecture, Layers } = JSON.parse(await mustRun('skopeo', ['inspect', location]));
    assert.deepEqual([Architecture, Layers.length], ['amd64', 2]);
  }
});

test('results of a copy to standard output never get into the archive', async (t) => {
  const { must, program } = await prepareCommandLine(t);
  await must(['load', '-i', await fileOf(t, 'app.tar', APP)]);
  for (const kind of ['docker-archive', 'oci-archive']) {
    const { code, stdout, stderr } = await program.run(['copy', '-q', 'app:1', `${kind}:-`]);
    assert.equal(code, 0);
    assert.match(stderr, /@sha256:[0-9a-f]{64}\n$/);
    assert.ok(stdout.endsWith('\0'.repeat(1024)), 'ends with the end marker of the archive');
  }
});

test('image inspect shows docker’s fields, image history its steps', async (t) => {
  const { must, run } = await prepareCommandLine(t);
  await must(['load', '-i', await fileOf(t, 'app.tar', APP)]);
  await must(['tag', 'app:1', 'app:2']);
  const [inspected] = JSON.parse((await must(['image', 'inspect', 'app:2'])).join('\n'));
  assert.deepEqual(inspected.RepoTags.toSorted(), [
    'docker.io/library/app:1',
    'docker.io/library/app:2',
  ]);
  assert.match(inspected.RepoDigests[0], /^docker\.io\/library\/app@sha256:/);
  assert.equal(inspected.Architecture, 'amd64');
  assert.equal(inspected.Os, 'linux');
  assert.deepEqual(inspected.Config, { Cmd: ['/app'] });
  assert.equal(inspected.RootFS.Layers.length, 2);
  const history = await must(['image', 'history', 'app:1']);
  assert.match(history[0] ?? '', /^IMAGE +CREATED +CREATED BY +SIZE +COMMENT$/);
  assert.match(history[1] ?? '', new RegExp(`^${inspected.Id.slice(7, 19)} .*step 1 in /`));
  assert.match(history[2] ?? '', /^<missing> .*step 0 in \/ +\d/);
  const flags = ['--no-trunc', '--no-human', '--format', 'json', '--platform', 'linux/amd64'];
  const row = JSON.parse((await must(['image', 'history', ...flags, 'app:1']))[0] ?? '');
  assert.equal(row.CreatedSince, '2024-01-01T00:00:00Z');
  assert.equal(row.ID, inspected.Id);
  assert.deepEqual(await must(['image', 'history', '-q', 'app:1']), [
    inspected.Id.slice(7, 19),
    '<missing>',
  ]);
  const other = await run(['image', 'inspect', '--platform', 'linux/s390x', 'app:1']);
  assert.equal(other.code, 12);
});

test('an image of a digest can be tagged and removed; one inside another stays', async (t) => {
  const { must, run } = await prepareCommandLine(t);
  const loaded = await must(['load', '--no-names', '-i', await fileOf(t, 'app.tar', APP)]);
  const digest = digestOfLine(loaded[0] ?? '') ?? '';
  await must(['tag', `whatever@${digest}`, 'app:1']);
  await must(['tag', 'app:1', 'app:2']);
  const removed = await must(['rmi', `app@${digest}`]);
  assert.deepEqual(removed.slice(0, 2), ['Untagged: app:1', 'Untagged: app:2']);
  assert.equal((await run(['rmi', `app@${digest}`])).code, 12);
});

test('an image that a named index needs is not removed by its digest', async (t) => {
  const { must, run } = await prepareCommandLine(t);
  const { openLayout } = await import('../../src/layout/layout.ts');
  const { putImage, putIndex } = await import('../content/images.ts');
  const dir = path.join(await tempDir(t), 'layout');
  const layout = await openLayout(dir, { create: true });
  const image = await putImage(layout, { layers: [BASE] });
  const index = await putIndex(layout, [image]);
  await layout.tag(index, 'multi', (offset) => layout.fetch(index, { offset }));
  await layout.close();
  await must(['copy', `oci:${dir}:multi`, 'multi:1']);
  const removed = await run(['rmi', `multi@${image.digest}`]);
  assert.equal(removed.code, 12);
  await must(['copy', 'multi:1', `oci:${dir}:again`]);
});

test('files of the store are for their owner alone', async (t) => {
  const { must, home } = await prepareCommandLine(t);
  await must(['load', '-i', await fileOf(t, 'app.tar', APP)]);
  assert.equal((await stat(home)).mode & 0o777, 0o700);
  for (const name of await readdir(home, { recursive: true })) {
    // The lock holds nothing; it can be reached through folders of the owner alone.
    if (name.endsWith('/lock')) continue;
    assert.equal((await stat(path.join(home, name))).mode & 0o077, 0, name);
  }
});
