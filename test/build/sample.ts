import {
  chmod,
  copyFile,
  link,
  mkdir,
  readdir,
  readFile,
  symlink,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { findProgram, mustRun } from '../rig/programs.ts';

const LONG_NAME = 'a-name-that-is-longer-than-a-hundred-characters';

/** The context that all Dockerfiles of the set are built with. */
export async function sampleContext(owner: Owner): Promise<string> {
  const root = path.join(await tempDir(owner), 'context');
  const at = (...parts: readonly string[]) => path.join(root, ...parts);
  const put = async (name: string, text: string, mode = 0o644) => {
    await mkdir(path.dirname(at(name)), { recursive: true });
    await writeFile(at(name), text);
    await chmod(at(name), mode);
  };
  await put('a.txt', 'a\n');
  await put('b.txt', 'b\n');
  await put('exec.sh', '#!/bin/sh\n', 0o755);
  await put('setuid', 'set', 0o4755);
  await put('private', 'private', 0o600);
  await put('empty', '');
  await put('with space.txt', 'space');
  await put('ümläut', 'é');
  await put(LONG_NAME, 'long');
  await put('conf/app.conf', 'port = 80\n', 0o640);
  await put('dir/x.js', 'x');
  await put('dir/y.js', 'y', 0o755);
  await put('dir/sub/z.js', 'z');
  await mkdir(at('dir/empty-folder'));
  await symlink('x.js', at('dir/l.js'));
  await symlink('sub', at('dir/sublink'));
  await symlink('nowhere', at('dir/dangling'));
  await chmod(at('dir/sub'), 0o750);
  await put('dir2/x.js', 'another x', 0o600);
  await put('dir2/sub/more', 'more');
  await chmod(at('dir2/sub'), 0o711);
  await put('links/one', 'one inode, two names');
  await link(at('links/one'), at('links/two'));
  await put('tree/opt/added', 'added');
  await put('tree/etc/added/deep', 'deep');
  await chmod(at('tree/opt'), 0o700);
  await symlink('a.txt', at('filelink'));
  await symlink('dir', at('dirlink'));
  await put('ignored/no', 'no');
  await put('ignored/keep/yes', 'yes');
  await put('some.log', 'log');
  await put('dir/other.log', 'log');
  await put('.dockerignore', '# left out\n**/*.log\nignored\n!ignored/keep\n');
  await archives(at);
  return root;
}

async function archives(at: (...parts: readonly string[]) => string): Promise<void> {
  const root = `${at('..')}/archive`;
  await mkdir(path.join(root, 'opt/owned'), { recursive: true });
  await mkdir(path.join(root, 'closed'));
  await writeFile(path.join(root, 'closed/file'), 'in an archive');
  await link(path.join(root, 'closed/file'), path.join(root, 'closed/second'));
  await symlink('closed/file', path.join(root, 'link'));
  await writeFile(path.join(root, 'opt/owned/new'), 'new');
  await chmod(path.join(root, 'closed'), 0o700);
  await chmod(path.join(root, 'closed/file'), 0o604);
  const names = (await readdir(root)).sort();
  // Two contexts are the same bytes, whenever they are made.
  const when = ['--sort=name', '--mtime=@1000000000'];
  const flags = ['--owner=7', '--group=8', '--numeric-owner', ...when, '-cf'];
  await mustRun('tar', ['-C', root, ...flags, at('archive.tar'), ...names]);
  const bytes = await readFile(at('archive.tar'));
  await writeFile(at('archive.tar.gz'), gzipSync(bytes));
  await writeFile(at('archive.tar.zst'), zstdCompressSync(bytes));
  await writeFile(at('notar.gz'), gzipSync('just text'));
}

/** Builds `base` from this context; its Dockerfile is {@link BASE_DOCKERFILE}. */
export async function baseContext(owner: Owner): Promise<string> {
  const root = path.join(await tempDir(owner), 'base');
  const at = (...parts: readonly string[]) => path.join(root, 'root', ...parts);
  for (const folder of ['bin', 'etc', 'tmp', 'usr/lib', 'opt', 'data']) {
    await mkdir(at(folder), { recursive: true });
  }
  await copyFile(findProgram('busybox') ?? 'busybox', at('bin/busybox'));
  for (const name of ['sh', 'rm', 'echo', 'chmod', 'chown', 'ln', 'mkdir', 'cat']) {
    await symlink('busybox', at('bin', name));
  }
  await symlink('usr/lib', at('lib'));
  await symlink('/usr/lib', at('absolute'));
  await chmod(at('tmp'), 0o1777);
  await writeFile(at('etc/passwd'), 'root:x:0:0::/:/bin/sh\napp:x:1000:1001::/:/bin/sh\n');
  await writeFile(at('etc/group'), 'root:x:0:\nstaff:x:50:\napp:x:1001:\n');
  await writeFile(at('data/file'), 'of the base');
  const when = ['--sort=name', '--mtime=@1000000000'];
  const flags = ['--owner=0', '--group=0', '--numeric-owner', ...when, '-cf'];
  await mustRun('tar', ['-C', path.join(root, 'root'), ...flags, path.join(root, 'root.tar'), '.']);
  await mkdir(path.join(root, 'owned'));
  await chmod(path.join(root, 'owned'), 0o750);
  await writeFile(path.join(root, 'owned/file'), 'of app');
  await mkdir(path.join(root, 'opt/owned'), { recursive: true });
  await chmod(path.join(root, 'opt/owned'), 0o750);
  await writeFile(path.join(root, 'opt/owned/file'), 'of app');
  return root;
}

export const BASE_DOCKERFILE = `FROM scratch
ADD root.tar /
COPY --chown=1000:1001 opt /opt
ENV A=base PATH=/bin
LABEL base=yes
WORKDIR /
CMD ["/bin/sh"]
`;

export const ONBUILD_DOCKERFILE = `FROM base
ONBUILD COPY dir /triggered
ONBUILD ENV BY=\${A}-trigger
ONBUILD WORKDIR /triggered/here
`;
