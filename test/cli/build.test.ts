import assert from 'node:assert/strict';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { testRegistry } from '../content/places.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { missing, mustRun } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { prepareCommandLine } from './in-process.ts';

const { run, must, program } = await prepareCommandLine(THIS_FILE);

/** A folder with these files. */
async function folderOf(owner: Owner, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await tempDir(owner);
  for (const [name, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(folder, name)), { recursive: true });
    await writeFile(path.join(folder, name), text);
  }
  return folder;
}

interface Inspected {
  readonly Config: Readonly<Record<string, unknown>> & { readonly Labels?: Record<string, string> };
  readonly Descriptor: { readonly digest: string };
  readonly Manifest: {
    readonly mediaType: string;
    readonly annotations?: Record<string, string>;
    readonly layers: readonly { readonly mediaType: string }[];
  };
}

async function inspect(name: string): Promise<Inspected> {
  const [found] = JSON.parse((await must(['image', 'inspect', name])).join('\n')) as [Inspected];
  return found;
}

const SIMPLE = { Dockerfile: 'FROM scratch\nCOPY file /file\n', file: 'text\n' };

test('what is built is in the store under every name, and told with its digest', async (t) => {
  const folder = await folderOf(t, SIMPLE);
  const { code, stdout, stderr } = await run([
    'build',
    '-t',
    'one',
    '-t',
    'h.example/two:2',
    folder,
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stderr, /^building with native$/m);
  const { digest } = (await inspect('one')).Descriptor;
  assert.equal(stdout, `one:latest@${digest}\nh.example/two:2@${digest}\n`);
  assert.equal((await inspect('h.example/two:2')).Descriptor.digest, digest);
  assert.equal((await run(['build', '-q', '-t', 'one', folder])).stdout, `${digest}\n`);
  assert.equal((await run(['build', '--progress', 'none', folder])).stdout, `${digest}\n`);
});

test('--push sends the same digest to every name, once', async (t) => {
  const { registry } = await testRegistry(t);
  const folder = await folderOf(t, { ...SIMPLE, file: 'pushed\n' });
  const names = [`${registry.host}/app:1`, `${registry.host}/app:latest`];
  const args = ['build', ...names.flatMap((name) => ['-t', name]), '--push', folder];
  const lines = await must(args);
  const { digest } = (await inspect(names[0] ?? '')).Descriptor;
  assert.deepEqual(lines, [`${registry.host}/app@${digest}`]);
  for (const name of names) await must(['verify', '--deep', `${name}@${digest}`]);
  const again = JSON.parse((await must([...args, '--format', 'json'])).join('\n'));
  assert.ok(again.destinations.every(({ status }: { status: string }) => status === 'present'));
});

test('--output puts it elsewhere too, in our words and in docker’s', async (t) => {
  const folder = await folderOf(t, { ...SIMPLE, file: 'elsewhere\n' });
  const to = await tempDir(t);
  const at = (name: string) => path.join(to, name);
  const { code, stderr } = await run([
    ...['build', '-t', 'elsewhere', '-o', `oci:${at('layout')}:it`],
    ...[
      '-o',
      `type=oci,dest=${at('oci.tar')}`,
      '-o',
      `type=docker,dest=${at('docker.tar')},name=named:1`,
    ],
    folder,
  ]);
  assert.equal(code, 0, stderr);
  const { digest } = (await inspect('elsewhere')).Descriptor;
  for (const [location, name] of [
    [`oci:${at('layout')}:it`, 'from-layout'],
    [`oci-archive:${at('oci.tar')}`, 'from-oci'],
  ]) {
    await must(['copy', location ?? '', name ?? '']);
    assert.equal((await inspect(name ?? '')).Descriptor.digest, digest);
  }
  const loaded = await must(['load', '-i', at('docker.tar')]);
  assert.deepEqual(loaded, ['Loaded image: named:1']);
});

test('--output puts the files of the image into a folder, or into a tar archive', async (t) => {
  const folder = await folderOf(t, { ...SIMPLE, file: 'unpacked\n' });
  const to = await tempDir(t);
  const at = (name: string) => path.join(to, name);
  const [digest] = await must(['build', '-q', folder]);
  const done = await must([
    ...['build', '-q', '-o', at('short'), '-o', `type=local,dest=${at('long')}`],
    ...['-o', `type=tar,dest=${at('files.tar')}`, folder],
  ]);
  assert.deepEqual(done, [digest]);
  for (const name of ['short', 'long']) {
    assert.equal(await readFile(path.join(at(name), 'file'), 'utf8'), 'unpacked\n');
  }
  assert.equal(await mustRun('tar', ['-xOf', at('files.tar'), 'file']), 'unpacked');
  for (const output of ['-', 'type=tar']) {
    const piped = await program.run(['build', '-q', '-o', output, folder]);
    assert.ok(piped.stdout === (await readFile(at('files.tar'), 'utf8')));
    assert.equal(piped.stderr, `${digest}\n`);
  }
});

test('--iidfile, --metadata-file and --digestfile tell programs what was built', async (t) => {
  const folder = await folderOf(t, SIMPLE);
  const to = await tempDir(t);
  const at = (name: string) => path.join(to, name);
  await must([
    ...['build', '-t', 'told', '--iidfile', at('id'), '--metadata-file', at('metadata.json')],
    ...['--digestfile', at('digest'), folder],
  ]);
  const { digest } = (await inspect('told')).Descriptor;
  assert.equal(await readFile(at('id'), 'utf8'), digest);
  assert.equal(await readFile(at('digest'), 'utf8'), `${digest}\n`);
  const metadata = JSON.parse(await readFile(at('metadata.json'), 'utf8'));
  assert.equal(metadata['containerimage.digest'], digest);
  assert.equal(metadata['containerimage.descriptor'].digest, digest);
  assert.equal(metadata['image.name'], 'docker.io/library/told:latest');
});

test('labels and annotations are the same whichever engine builds: they are added at the end', async (t) => {
  const folder = await folderOf(t, { ...SIMPLE, Dockerfile: 'FROM scratch\nLABEL a=old b=kept\n' });
  const more = [
    '--label',
    'a=new',
    '--label',
    'empty',
    '--annotation',
    'x=1',
    '--annotation',
    'index:y=2',
  ];
  await must(['build', '-t', 'one', ...more, folder]);
  const one = await inspect('one');
  assert.deepEqual(one.Config.Labels, { a: 'new', b: 'kept', empty: '' });
  assert.deepEqual(one.Manifest.annotations, { x: '1' });
  const to = path.join(await tempDir(t), 'layout');
  const both = ['--platform', 'linux/amd64,linux/arm64', '-o', `oci:${to}:it`];
  const digest = path.join(await tempDir(t), 'id');
  await must(['build', ...more, ...both, '--iidfile', digest, folder]);
  const blob = async (name: string) =>
    JSON.parse(await readFile(path.join(to, 'blobs', ...name.split(':')), 'utf8'));
  const index = await blob(await readFile(digest, 'utf8'));
  assert.deepEqual(index.annotations, { y: '2' });
  for (const entry of index.manifests) {
    assert.deepEqual((await blob(entry.digest)).annotations, { x: '1' });
  }
});

test('a folder is put on top of an image without any Dockerfile', async (t) => {
  const base = await folderOf(t, { Dockerfile: 'FROM scratch\nENV FROM_BASE=1\n' });
  await must(['build', '-t', 'base:1', base]);
  const folder = await folderOf(t, {
    server: '#!/bin/sh\n',
    'left/out': '',
    '.dockerignore': 'left\n',
  });
  const words = [
    '--base',
    'base:1',
    '--entrypoint',
    '["/srv/server", "two words"]',
    '--into',
    '/srv',
  ];
  await must(['build', '-t', 'folder', ...words, folder]);
  const { Config } = await inspect('folder');
  assert.deepEqual(Config.Entrypoint, ['/srv/server', 'two words']);
  assert.equal(Config.WorkingDir, '/srv');
  assert.ok((Config.Env as string[]).includes('FROM_BASE=1'));
  await must(['build', '-t', 'plain', '--entrypoint', '/app/server --port 80', folder]);
  assert.deepEqual((await inspect('plain')).Config.Entrypoint, ['/app/server', '--port', '80']);
});

test('--git-labels name the image below, and its digest only where its layers are the lowest', async (t) => {
  const base = await folderOf(t, SIMPLE);
  await must(['build', '-t', 'h.invalid/below:1', base]);
  const { digest } = (await inspect('h.invalid/below:1')).Descriptor;
  const folder = await folderOf(t, {
    Dockerfile: 'ARG TAG=1\nFROM h.invalid/below:$TAG AS first\nFROM first\nCOPY f /\n',
    f: 'f',
  });
  await must(['build', '-t', 'above', '--git-labels', folder]);
  const labels = (await inspect('above')).Config.Labels ?? {};
  assert.equal(labels['org.opencontainers.image.base.name'], 'h.invalid/below:1');
  assert.equal(labels['org.opencontainers.image.base.digest'], digest);
  const bare = await folderOf(t, { Dockerfile: 'FROM scratch\nCOPY f /\n', f: 'f' });
  await must(['build', '-t', 'bare', '--git-labels', bare]);
  assert.ok(
    !('org.opencontainers.image.base.name' in ((await inspect('bare')).Config.Labels ?? {})),
  );
});

test('--compression says how layers are compressed, here and there', async (t) => {
  const folder = await folderOf(t, SIMPLE);
  await must(['build', '-t', 'zstd', '--compression', 'zstd', folder]);
  const { layers } = (await inspect('zstd')).Manifest;
  assert.deepEqual(
    layers.map(({ mediaType }) => mediaType),
    ['application/vnd.oci.image.layer.v1.tar+zstd'],
  );
});

test('--types docker gives what is built docker’s types, and what is below it', async (t) => {
  const folder = await folderOf(t, SIMPLE);
  const docker = 'application/vnd.docker.distribution.manifest';
  await must(['build', '-t', 'types:oci', folder]);
  await must(['build', '-t', 'types:docker', '--types', 'docker', folder]);
  const { Manifest: manifest } = await inspect('types:docker');
  assert.equal(manifest.mediaType, `${docker}.v2+json`);
  assert.deepEqual(
    manifest.layers.map(({ mediaType }) => mediaType),
    ['application/vnd.docker.image.rootfs.diff.tar.gzip'],
  );
  const above = await folderOf(t, { Dockerfile: 'FROM types:docker\nLABEL a=b\n' });
  await must(['build', '-t', 'types:above', '--types', 'docker', above]);
  assert.deepEqual((await inspect('types:above')).Manifest.layers, manifest.layers);
  await must(['build', '-t', 'types:again', '--types', 'oci', folder]);
  assert.deepEqual(
    (await inspect('types:again')).Descriptor,
    (await inspect('types:oci')).Descriptor,
  );

  const several = ['--platform', 'linux/amd64,linux/arm64', '--types', 'docker'];
  const [digest = ''] = await must(['build', '-q', '-t', 'types:index', ...several, folder]);
  const to = path.join(await tempDir(t), 'layout');
  await must(['copy', 'types:index', `oci:${to}`]);
  const file = path.join(to, 'blobs', ...digest.split(':'));
  const index = JSON.parse(await readFile(file, 'utf8'));
  assert.equal(index.mediaType, `${docker}.list.v2+json`);
});

test('--git-labels tell commit and repository, and no secret', {
  skip: missing('git'),
}, async (t) => {
  const folder = await folderOf(t, SIMPLE);
  const env = { HOME: folder, GIT_CONFIG_NOSYSTEM: '1' };
  const git = (...args: string[]) =>
    mustRun('git', ['-c', 'user.name=n', '-c', 'user.email=e@example.com', ...args], {
      cwd: folder,
      env,
    });
  await git('init', '--quiet');
  await git('remote', 'add', 'origin', 'https://user:tok3n@git.example.com/team/app.git?key=tok3n');
  await git('add', '.');
  await git('commit', '--quiet', '-m', 'first', '--date', '2020-01-02T03:04:05Z');
  await git('tag', 'v1.2.3');
  const args = ['build', '-t', 'labelled', '--git-labels', folder];
  await must(args);
  const { Config, Manifest } = await inspect('labelled');
  const prefix = 'org.opencontainers.image.';
  const commit = await git('rev-parse', 'HEAD');
  const { [`${prefix}created`]: created, ...rest } = Config.Labels ?? {};
  assert.equal(Date.parse(created ?? ''), Number(await git('log', '-1', '--format=%ct')) * 1000);
  assert.deepEqual(rest, {
    [`${prefix}revision`]: commit,
    [`${prefix}version`]: 'v1.2.3',
    [`${prefix}source`]: 'https://git.example.com/team/app',
    [`${prefix}url`]: 'https://git.example.com/team/app',
    [`${prefix}title`]: 'app',
  });
  assert.doesNotMatch(JSON.stringify({ Config, Manifest }), /tok3n/);
  await writeFile(path.join(folder, 'file'), 'changed\n');
  await must([...args, '--label', `${prefix}title=mine`]);
  const labels = (await inspect('labelled')).Config.Labels ?? {};
  assert.equal(labels[`${prefix}revision`], `${commit}-dirty`);
  assert.equal(labels[`${prefix}title`], 'mine', 'what the user says wins');
});

test('a Dockerfile that needs an engine says which line, and what to install', async (t) => {
  const folder = await folderOf(t, { Dockerfile: 'FROM scratch\n\nRUN make\n' });
  const env = { PATH: path.dirname(process.execPath), DOCKER_HOST: `unix://${folder}/none` };
  const { code, stdout, stderr } = await program.run(['build', folder], { env });
  assert.equal(code, 21);
  assert.equal(stdout, '');
  assert.match(stderr, /line 3 runs a command/);
  assert.match(stderr, /hint: install .*buildx.*podman.*buildah/);
  const chosen = await run(['build', '--engine', 'native', folder]);
  assert.equal(chosen.code, 21);
  assert.match(chosen.stderr, /native can't do this build: line 3 runs a command/);
});

test('a Dockerfile may come from standard input', async () => {
  const stdin = 'FROM scratch\nLABEL a=b\n';
  const { code, stdout, stderr } = await program.run(['build', '-q', '-'], { stdin });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^sha256:[0-9a-f]{64}\n$/);
});

test('a Dockerfile or ignore file that links out of the context is not followed', async (t) => {
  const outside = await folderOf(t, { secret: 'SECRET LINE\n' });
  const folder = await folderOf(t, { file: '' });
  await symlink(path.join(outside, 'secret'), path.join(folder, 'Dockerfile'));
  const linked = await run(['build', folder]);
  assert.equal(linked.code, 2);
  assert.match(linked.stderr, /is a link out of the context/);
  const ignoring = await folderOf(t, SIMPLE);
  await symlink(path.join(outside, 'secret'), path.join(ignoring, '.dockerignore'));
  const ignored = await run(['build', ignoring]);
  assert.equal(ignored.code, 2);
  assert.match(ignored.stderr, /dockerignore can't be read as a regular file/);
  for (const { stderr } of [linked, ignored]) assert.doesNotMatch(stderr, /SECRET LINE/);
});

test('NAME.dockerignore beside the Dockerfile wins over .dockerignore', async (t) => {
  const files = { a: 'a', b: 'b', 'Other.dockerignore': 'a\n', '.dockerignore': 'b\n' };
  const folder = await folderOf(t, { ...files, Other: 'FROM scratch\nCOPY b /\n' });
  await must(['build', '-q', '-f', path.join(folder, 'Other'), folder]);
  await writeFile(path.join(folder, 'Other'), 'FROM scratch\nCOPY a /\n');
  assert.equal((await run(['build', '-f', path.join(folder, 'Other'), folder])).code, 2);
});

test('bad words and missing files are told before anything is built', async (t) => {
  const folder = await folderOf(t, SIMPLE);
  const empty = await folderOf(t, {});
  for (const { args, says, code = 2 } of [
    { args: [], says: /missing required argument 'CONTEXT'/ },
    { args: [path.join(folder, 'none')], says: /no such file or folder/ },
    { args: [path.join(folder, 'file')], says: /is not a folder/ },
    { args: [empty], says: /there is no Dockerfile/ },
    { args: ['-f', 'none', folder], says: /there is no Dockerfile/ },
    { args: ['-f', folder, folder], says: /is not a file|is a folder/ },
    { args: ['--push', folder], says: /no name to push to/ },
    { args: ['--if-absent', folder], says: /--if-absent goes with --push/ },
    { args: ['-t', 'Not A Name', folder], says: /invalid reference/ },
    { args: ['-t', `a@sha256:${'0'.repeat(64)}`, folder], says: /digest/ },
    { args: ['--platform', 'nonsense/', folder], says: /invalid platform/ },
    { args: ['--build-arg', '=x', folder], says: /is not NAME=VALUE/ },
    { args: ['--label', '=x', folder], says: /is not NAME=VALUE/ },
    { args: ['--annotation', 'x', folder], says: /is not NAME=VALUE/ },
    { args: ['--secret', 'src=x', folder], says: /is not id=ID,src=FILE/ },
    { args: ['--output', 'type=local', folder], says: /can't be made/ },
    { args: ['--output', 'type=unknown,dest=x', folder], says: /can't be made/ },
    { args: ['--engine', 'magic', folder], says: /Allowed choices are auto, native/ },
    { args: ['--timestamps', 'now', folder], says: /neither keep nor seconds/ },
    { args: ['--base', 'a', '-f', 'x', folder], says: /go without a Dockerfile/ },
    { args: ['--into', '../x', folder], says: /is no absolute folder/ },
    { args: ['--entrypoint', '[1]', folder], says: /no JSON list of texts/ },
    { args: ['--iidfile', path.join(folder, 'no/id'), folder], says: /no such file or folder/ },
    { args: ['--target', 'none', folder], says: /none/ },
  ] as readonly { args: string[]; says: RegExp; code?: number }[]) {
    const result = await run(['build', ...args]);
    assert.match(result.stderr, says, args.join(' '));
    assert.equal(result.code, code, `${args.join(' ')}: ${result.stderr}`);
    assert.equal(result.stdout, '');
    assert.doesNotMatch(result.stderr, /this is a bug/);
  }
});

test('SOURCE_DATE_EPOCH must be a number, and --timestamps wins over it', async (t) => {
  const folder = await folderOf(t, SIMPLE);
  const epoch = async (value: string, ...args: string[]) => {
    process.env.SOURCE_DATE_EPOCH = value;
    try {
      return await run(['build', '-t', 'dated', ...args, folder]);
    } finally {
      delete process.env.SOURCE_DATE_EPOCH;
    }
  };
  assert.equal((await epoch('tomorrow')).code, 2);
  assert.equal((await epoch('tomorrow', '--timestamps', '5')).code, 0);
  assert.equal((await epoch('86400')).code, 0);
  const [dated] = JSON.parse((await must(['image', 'inspect', 'dated'])).join('\n'));
  assert.match(dated.Created, /^1970-01-02T00:00:00/);
});
