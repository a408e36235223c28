import assert from 'node:assert/strict';
import { lstat, mkdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { filesTar, type PlacedNode, withImageFiles } from '../../src/build/image-files.ts';
import { writeFilesTo } from '../../src/build/write-files.ts';
import { collect } from '../../src/bytes/stream.ts';
import { tempDir } from '../rig/lifetime.ts';
import { mustRun } from '../rig/programs.ts';
import { type Project, startProject } from './native/project.ts';

/** Builds a Dockerfile and gives the files of its image. */
async function filesOf<T>(
  project: Project,
  dockerfile: string,
  work: (files: readonly PlacedNode[]) => Promise<T>,
  platforms: readonly { os: string; architecture: string }[] = [],
): Promise<T> {
  const root = await project.build(dockerfile, { platforms });
  const options = { spoolDir: project.dir, emit: () => {} };
  return await withImageFiles(project.store, root, options, work);
}

test('the files of an image are what its layers leave: the last one wins, links stay links', async (t) => {
  const project = await startProject(t);
  await project.write('one', 'one');
  await project.write('two', 'two');
  await project.write('more/three', 'three');
  await symlink('file', path.join(project.context, 'more/link'));
  const to = path.join(await tempDir(t), 'new');
  const dockerfile =
    'FROM scratch\nCOPY one /d/file\nCOPY two /d/file\nCOPY more /d\nCOPY --chmod=4751 one /s\n';
  await filesOf(project, dockerfile, (files) => writeFilesTo(to, files));
  assert.equal(await readFile(path.join(to, 'd/file'), 'utf8'), 'two');
  assert.equal(await readlink(path.join(to, 'd/link')), 'file');
  const found = await stat(path.join(to, 's'));
  // Without the bit that would run it as whoever wrote it.
  assert.deepEqual([found.mode & 0o7777, found.mtimeMs], [0o751, 0]);
  assert.equal((await stat(path.join(to, 'd'))).mtimeMs, 0);
});

test('what is in the way is replaced and never written through', async (t) => {
  const project = await startProject(t);
  for (const name of ['folder/in', 'file', 'link']) await project.write(name, 'of the image');
  const dir = await tempDir(t);
  const [to, outside] = [path.join(dir, 'to'), path.join(dir, 'outside')];
  await mkdir(path.join(to, 'kept'), { recursive: true });
  await mkdir(outside);
  await writeFile(path.join(outside, 'secret'), 'of the user');
  await symlink(outside, path.join(to, 'folder'));
  await symlink(path.join(outside, 'secret'), path.join(to, 'link'));
  await writeFile(path.join(to, 'file'), 'longer than what replaces it');
  await filesOf(project, 'FROM scratch\nCOPY . /\n', (files) => writeFilesTo(to, files));
  for (const name of ['folder/in', 'file', 'link']) {
    assert.equal(await readFile(path.join(to, name), 'utf8'), 'of the image');
  }
  assert.ok((await lstat(path.join(to, 'folder'))).isDirectory());
  assert.equal(await readFile(path.join(outside, 'secret'), 'utf8'), 'of the user');
  await assert.rejects(lstat(path.join(outside, 'in')), { code: 'ENOENT' });
  assert.ok((await stat(path.join(to, 'kept'))).isDirectory());
});

test('a link of the image that leads out is written as a link, and nothing goes through it', async (t) => {
  const project = await startProject(t);
  const dir = await tempDir(t);
  const outside = path.join(dir, 'outside');
  await mkdir(outside);
  await symlink(outside, path.join(project.context, 'out'));
  await project.write('file', 'text');
  const to = path.join(dir, 'to');
  const dockerfile = 'FROM scratch\nCOPY . /\nCOPY file /out/below\n';
  await filesOf(project, dockerfile, (files) => writeFilesTo(to, files));
  assert.equal(await readlink(path.join(to, 'out')), outside);
  await assert.rejects(lstat(path.join(outside, 'below')), { code: 'ENOENT' });
  // Inside, the link was followed as in a container.
  assert.equal(await readFile(path.join(to, outside, 'below'), 'utf8'), 'text');
});

test('a folder that stands where a file belongs is refused, and stays', async (t) => {
  const project = await startProject(t);
  await project.write('file', 'text');
  const to = await tempDir(t);
  await mkdir(path.join(to, 'file'));
  const writing = filesOf(project, 'FROM scratch\nCOPY file /file\n', (files) =>
    writeFilesTo(to, files),
  );
  await assert.rejects(writing, { code: 'CONFIG_INVALID', message: /is a folder, and a file in/ });
  assert.ok((await stat(path.join(to, 'file'))).isDirectory());
});

test('a tar archive has owners and modes, and each platform in its folder', async (t) => {
  const project = await startProject(t);
  await project.write('file', 'text');
  const platforms = ['amd64', 'arm64'].map((architecture) => ({ os: 'linux', architecture }));
  const dockerfile =
    'FROM scratch\nARG TARGETARCH\nCOPY --chown=7:8 --chmod=4755 file /$TARGETARCH\n';
  const tar = await filesOf(
    project,
    dockerfile,
    (files) => collect(filesTar(files), 1024 * 1024, 'the archive'),
    platforms,
  );
  const file = path.join(await tempDir(t), 'files.tar');
  await writeFile(file, tar);
  const list = await mustRun('tar', ['--numeric-owner', '-tvf', file]);
  const rows = list.trimEnd().split('\n');
  assert.deepEqual(
    rows.map((row) => row.split(/\s+/).filter((_, at) => [0, 1, 5].includes(at))),
    [
      ['drwxr-xr-x', '0/0', 'linux_amd64/'],
      ['-rwsr-xr-x', '7/8', 'linux_amd64/amd64'],
      ['drwxr-xr-x', '0/0', 'linux_arm64/'],
      ['-rwsr-xr-x', '7/8', 'linux_arm64/arm64'],
    ],
  );
});
