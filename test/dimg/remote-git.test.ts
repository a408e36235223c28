import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { describe, it, test } from 'node:test';
import { parseProject } from '../../src/dimg/project.ts';
import { isRefName, parseRemoteUrl } from '../../src/dimg/remote-url.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';
import { missing, mustRun } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { makeProject, type Project, prepareDimg } from './scene.ts';

test('addresses of git repositories are read without logins, and none starts a program', () => {
  for (const url of [
    'https://example.org/team/app.git',
    'http://127.0.0.1:8080/app?x=1',
    'ssh://git@example.org:2222/team/app.git',
    'git@example.org:team/app.git',
    'example.org:/srv/app',
    'git://example.org/app',
    'file:///srv/app.git',
  ]) {
    assert.deepEqual(parseRemoteUrl(url), { url });
  }
  assert.deepEqual(parseRemoteUrl('https://me:p%40ss@example.org/app'), {
    url: 'https://example.org/app',
    login: { username: 'me', password: 'p@ss' },
  });
  for (const bad of [
    ...['', '-u', '--upload-pack=x', 'ext::sh -c id', 'ext::id', 'fd::17', 'file::/x', '/srv/app'],
    ...['../app', 'app', 'ssh://-oProxyCommand=id/x', '-oProxyCommand=id:x', 'host:-x', 'host:'],
    ...['ssh://-l@host/x', 'https:///x', 'https://host/', 'ftp://host/x', 'file://host/x'],
    ...['https://host/a b', 'https://host/a\nb', 'https://me:a%0Ab@host/x', 'ssh://a:b@host/x'],
    ...[
      'https://host/x#y',
      'https://good\\@evil/x',
      'host:a:b',
      'transport::https://host/x',
      `https://host/${'x'.repeat(2000)}`,
    ],
  ]) {
    assert.equal(parseRemoteUrl(bad), undefined, bad);
  }
});

test('names of branches and tags are those that git allows', () => {
  for (const name of ['main', 'feature/a_b', 'v1.2.3', 'Ünï', 'a-b'])
    assert.ok(isRefName(name), name);
  const bad = ['', '-a', '/a', 'a/', 'a.', '.a', 'a//b', 'a/.b', 'a..b', 'a b', 'a:b', 'a^', 'a~1'];
  for (const name of [
    ...bad,
    'a*',
    'a?',
    'a[',
    'a\\b',
    'a@{1}',
    '@',
    'a.lock',
    'a\n',
    'a.lock/b',
  ]) {
    assert.equal(isRefName(name), false, name);
  }
});

test('what is wrong with a remote repository is told with its line, and no password', () => {
  const wrong = (lines: string) => {
    const text = `dimg: ~\nfrom: base\ngit:\n- to: /x\n  ${lines}\n`;
    try {
      parseProject('werf.yaml', text);
    } catch (error) {
      return String((error as Error).message);
    }
    return 'nothing';
  };
  assert.match(
    wrong('url: ext::sh -c id'),
    /^werf\.yaml:5: url is no address of a git repository$/,
  );
  assert.doesNotMatch(wrong('url: https://me:geheim@host'), /geheim/);
  const url = 'url: https://host/x';
  assert.match(wrong(`${url}\n  branch: --x`), /:6: "--x" is no branch$/);
  assert.match(wrong(`${url}\n  commit: HEAD~1`), /:6: "HEAD~1" is no commit$/);
  assert.match(wrong(`${url}\n  branch: a\n  tag: b`), /:7: branch and tag exclude each other$/);
  assert.match(wrong('branch: a'), /:5: branch is for a remote repository: url is missing$/);
  assert.equal(wrong(url), 'nothing');
});

const skip = missing('git');

describe('files of remote repositories', { skip }, async () => {
  if (skip) return;
  const line = await prepareDimg(THIS_FILE);
  const { dimg } = line;
  const ok = (states: readonly string[]) =>
    states.flatMap((each) => /^dimg: (.*) \[OK\]$/.exec(each)?.[1] ?? []);

  /** A repository `library` with a bare one, to which its commits are pushed. */
  const makeRemote = async (owner: Owner) => {
    const folder = path.join(await tempDir(owner), 'library.git');
    const library = await makeProject(owner, { 'lib/a': 'one', other: 'x' });
    await mustRun('git', ['init', '--quiet', '--bare', '--initial-branch=main', folder], {
      env: { HOME: folder },
    });
    const push = (...refs: readonly string[]) => library.git('push', '--quiet', folder, ...refs);
    await push('main');
    return { folder, library, push, url: `file://${folder}` };
  };
  const using = async (owner: Owner, ...git: readonly string[]): Promise<Project> =>
    await makeProject(owner, {
      'werf.yaml': `dimg: ~\nfrom: base\ngit:\n- { to: /own }\n${git.map((each) => `- { add: /lib, to: /lib, ${each} }\n`).join('')}`,
      mine: '1',
    });
  /** What the image of a project has in a file. */
  const contentOf = async (owner: Owner, { folder }: Project, file: string): Promise<string> => {
    await dimg(folder, 'tag', 'x/y', '--tag-plain', 'now');
    const out = path.join(await tempDir(owner), 'out');
    await line.must(['save', '-o', `${out}.tar`, 'x/y:now']);
    await mkdir(out);
    await mustRun('tar', ['-C', out, '-xf', `${out}.tar`]);
    const [{ Layers }] = JSON.parse(await readFile(path.join(out, 'manifest.json'), 'utf8'));
    let content = '';
    for (const layer of Layers as readonly string[]) {
      const args = ['-xOf', path.join(out, layer), file.slice(1)];
      content = await mustRun('tar', args).catch(() => content);
    }
    return content;
  };

  it('are brought at a branch, a tag or a commit; what is new is a patch', async (t) => {
    const { library, push, url } = await makeRemote(t);
    const first = await library.git('rev-parse', 'HEAD');
    await library.git('tag', 'v1');
    await push('v1');
    const project = await using(t, `url: "${url}"`);
    const { folder } = project;
    assert.deepEqual(ok(await dimg(folder, 'build')), ['from', 'git_archive']);
    assert.equal(await contentOf(t, project, '/lib/a'), 'one');

    await library.commit({ 'lib/a': 'two' });
    await push('main');
    // Only what builds looks what is new.
    assert.match((await dimg(folder, 'stage', 'image')).join(), /^dimgstage-shop:/);
    assert.equal(await contentOf(t, project, '/lib/a'), 'one');
    assert.deepEqual(ok(await dimg(folder, 'build')), ['git_latest_patch']);
    assert.equal(await contentOf(t, project, '/lib/a'), 'two');
    assert.deepEqual(ok(await dimg(folder, 'build')), []);

    for (const pinned of ['tag: v1', `commit: ${first.slice(0, 10)}`, `commit: ${first}`]) {
      const other = await using(t, `url: "${url}", ${pinned}`);
      await dimg(other.folder, 'build');
      assert.equal(await contentOf(t, other, '/lib/a'), 'one', pinned);
    }
    await library.git('checkout', '--quiet', '-b', 'next/one');
    await library.commit({ 'lib/a': 'three' });
    await push('next/one');
    const next = await using(t, `url: "${url}", branch: next/one`);
    await dimg(next.folder, 'build');
    assert.equal(await contentOf(t, next, '/lib/a'), 'three');
  });

  it('are brought into clones of their own inside a hook of git, too', async (t) => {
    const { library, push, url } = await makeRemote(t);
    const project = await using(t, `url: "${url}"`);
    // What git tells the hooks of a push, of another repository.
    const other = await makeProject(t, { x: 'y' });
    const dir = path.join(other.folder, '.git');
    const quarantine = path.join(dir, 'objects', 'incoming');
    await mkdir(quarantine);
    const hook = {
      ...{ GIT_DIR: path.join(project.folder, '.git'), GIT_WORK_TREE: project.folder },
      ...{ GIT_QUARANTINE_PATH: quarantine, GIT_OBJECT_DIRECTORY: quarantine },
      GIT_ALTERNATE_OBJECT_DIRECTORIES: [project.folder, library.folder]
        .map((each) => path.join(each, '.git', 'objects'))
        .join(':'),
      ...{ GIT_INDEX_FILE: path.join(dir, 'index'), GIT_NAMESPACE: 'ns' },
    };
    const build = ['dimg', 'build', '--dir', project.folder];
    for (const content of ['two', 'three']) {
      await library.commit({ 'lib/a': content });
      await push('main');
      const built = await line.run(build, undefined, hook);
      assert.equal(built.code, 0, built.stderr);
      assert.deepEqual(await readdir(quarantine), []);
      assert.equal(await contentOf(t, project, '/lib/a'), content);
    }
  });

  it('follow a branch whose history was written anew, and tell what is not there', async (t) => {
    const { library, push, url } = await makeRemote(t);
    const project = await using(t, `url: "${url}", branch: main`);
    await dimg(project.folder, 'build');
    await library.git('commit', '--quiet', '--amend', '--message=anew');
    await push('--force', 'main');
    await dimg(project.folder, 'build');
    const refused = async (ref: string, said: RegExp, code = 12) => {
      const { folder } = await using(t, `url: "${url}", ${ref}`);
      const { code: was, stderr } = await line.tryDimg(folder, 'build');
      assert.equal(was, code, stderr);
      assert.match(stderr, said);
    };
    await refused('branch: gone', /library\.git has no branch gone/);
    await refused('tag: main', /has no tag main/);
    await refused(`commit: "${'0'.repeat(40)}"`, /has no commit 0{40}/);
    const nowhere = await using(t, 'url: "file:///nowhere/x.git"');
    const { code, stderr } = await line.tryDimg(nowhere.folder, 'build');
    assert.equal(code, 20);
    assert.match(stderr, /git can't fetch file:\/\/\/nowhere\/x\.git\n.*hint: .*does not appear/s);
  });

  it('come by http with a login that nobody sees', async (t) => {
    const { folder: root, url: _, ...remote } = await makeRemote(t);
    const asked: string[] = [];
    const server = createServer((request, response) => {
      const [, login = ''] = /^Basic (.*)$/.exec(request.headers.authorization ?? '') ?? [];
      asked.push(Buffer.from(login, 'base64').toString());
      if (asked.at(-1) !== 'robot:correct-horse') {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
        return;
      }
      const { pathname, search } = new URL(request.url ?? '/', 'http://x');
      const backend = spawn('git', ['http-backend'], {
        env: {
          ...{ PATH: process.env.PATH, GIT_PROJECT_ROOT: path.dirname(root) },
          ...{ GIT_HTTP_EXPORT_ALL: '1', PATH_INFO: pathname, QUERY_STRING: search.slice(1) },
          ...{ REQUEST_METHOD: request.method, CONTENT_TYPE: request.headers['content-type'] },
          ...{ HTTP_CONTENT_ENCODING: request.headers['content-encoding'], REMOTE_USER: 'robot' },
        },
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      request.pipe(backend.stdin);
      const chunks: Buffer[] = [];
      backend.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
      backend.on('close', () => {
        const all = Buffer.concat(chunks);
        const end = all.indexOf('\r\n\r\n');
        const headers = all.subarray(0, end).toString().split('\r\n');
        const status = headers.find((each) => each.startsWith('Status: '))?.slice(8, 11) ?? '200';
        const type = headers.find((each) => each.startsWith('Content-Type: '))?.slice(14);
        response.writeHead(Number(status), { 'content-type': type ?? '' });
        response.end(all.subarray(end + 4));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    atEnd(t, () => void server.close());
    const at = (login: string) =>
      `http://${login}@127.0.0.1:${(server.address() as AddressInfo).port}/library.git`;
    const project = await using(t, `url: "${at('robot:correct-horse')}"`);
    const { code, stdout, stderr } = await line.tryDimg(project.folder, 'build');
    assert.equal(code, 0, stderr);
    assert.ok(!`${stdout}${stderr}`.includes('correct-horse'));
    assert.equal(await contentOf(t, project, '/lib/a'), 'one');
    assert.ok(asked.includes('robot:correct-horse'));
    // Another login is the same repository.
    await remote.library.commit({ 'lib/a': 'two' });
    await remote.push('main');
    await project.commit({
      'werf.yaml': (await readFile(path.join(project.folder, 'werf.yaml'), 'utf8')).replace(
        'correct-horse',
        'wrong-battery',
      ),
    });
    const refused = await line.tryDimg(project.folder, 'build');
    assert.equal(refused.code, 20);
    assert.match(refused.stderr, /git can't fetch http:\/\/127\.0\.0\.1:\d+\/library\.git/);
    assert.ok(!refused.stderr.includes('wrong-battery'), refused.stderr);
  });

  it('come by ssh with the key that is given', async (t) => {
    const { folder: root } = await makeRemote(t);
    const bin = await tempDir(t);
    const said = path.join(bin, 'said');
    // The last word is what git wants to be run on the other side.
    const ssh = `#!/bin/sh\nprintf '%s\\n' "$@" >> '${said}'\nfor last; do :; done\nexec sh -c "$last"\n`;
    await writeFile(path.join(bin, 'ssh'), ssh);
    await chmod(path.join(bin, 'ssh'), 0o755);
    const key = path.join(bin, "it's a key");
    await writeFile(key, '');
    const project = await using(t, `url: "git@example.org:${root}"`);
    const args = ['dimg', 'build', '--dir', project.folder, '--ssh-key'];
    const env = { PATH: `${bin}:${process.env.PATH}` };
    const built = await line.run([...args, key], undefined, env);
    assert.equal(built.code, 0, built.stderr);
    const words = (await readFile(said, 'utf8')).split('\n');
    assert.deepEqual(words.slice(words.indexOf('-i'), words.indexOf('-i') + 2), ['-i', key]);
    assert.ok(words.includes('IdentitiesOnly=yes') && words.includes('git@example.org'));
    const lost = await line.run([...args, '/nowhere/key'], undefined, env);
    assert.equal(lost.code, 2);
    assert.match(lost.stderr, /there is no key \/nowhere\/key/);
  });
});
