import assert from 'node:assert/strict';
import { access, appendFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it, test } from 'node:test';
import { askChanges, askGit } from '../../src/build/git-program.ts';
import { tempDir } from '../rig/lifetime.ts';
import { missing, mustRun } from '../rig/programs.ts';

/** What is asked of repositories. */
const QUESTIONS = [
  ['log', '-1', '--format=%H'],
  ['describe', '--tags', '--always'],
  ['rev-parse', '--verify', 'HEAD'],
  ['ls-files'],
];

test('no setting of a repository starts a program', { skip: missing('git') }, async (t) => {
  const folder = await tempDir(t);
  const marks = path.join(folder, 'marks');
  await mkdir(marks);
  const program = async (name: string) => {
    const file = path.join(folder, name);
    await writeFile(file, `#!/bin/sh\ntouch ${path.join(marks, name)}\n`, { mode: 0o755 });
    return file;
  };
  const signed = path.join(folder, 'signed');
  const git = (dir: string, ...words: readonly string[]) =>
    mustRun('git', ['-C', dir, '-c', 'user.name=a', '-c', 'user.email=a@b', ...words]);
  await mustRun('git', ['init', '-q', signed]);
  await git(signed, 'commit', '-q', '--allow-empty', '-m', 'x');
  const plain = await git(signed, 'cat-file', 'commit', 'HEAD');
  const file = path.join(folder, 'commit');
  const signature = 'gpgsig -----BEGIN PGP SIGNATURE-----\n \n x\n -----END PGP SIGNATURE-----\n\n';
  await writeFile(file, `${plain.replace('\n\n', `\n${signature}`)}\n`);
  const commit = await git(signed, 'hash-object', '-t', 'commit', '-w', file);
  await git(signed, 'update-ref', 'HEAD', commit.trim());
  await git(signed, 'config', 'log.showSignature', 'true');
  await git(signed, 'config', 'gpg.program', await program('checker'));

  await writeFile(path.join(signed, '.gitattributes'), '* filter=x\n');
  await writeFile(path.join(signed, 'file'), 'one\n');
  await git(signed, 'add', '.');
  for (const kind of ['clean', 'process']) {
    await git(signed, 'config', `filter.x.${kind}`, await program(kind));
  }
  await writeFile(path.join(signed, 'file'), 'two\n');
  await git(signed, 'config', 'core.fsmonitor', await program('monitor'));

  // Objects that aren't there are fetched in the middle of anything.
  const partial = path.join(folder, 'partial');
  await mustRun('git', ['init', '-q', partial]);
  const settings = {
    'core.repositoryformatversion': '1',
    'extensions.partialClone': 'origin',
    'remote.origin.promisor': 'true',
    'remote.origin.url': `ext::${await program('remote')}`,
    'protocol.ext.allow': 'always',
  };
  for (const [name, value] of Object.entries(settings)) await git(partial, 'config', name, value);
  const head = await git(partial, 'symbolic-ref', 'HEAD');
  await writeFile(path.join(partial, '.git', head.trim()), `${'12'.repeat(20)}\n`);

  for (const cwd of [signed, partial]) {
    assert.match((await askChanges(cwd, {})) ?? 'nothing can be said', /file|nothing/);
    for (const words of QUESTIONS) {
      const answer = await askGit(words, { cwd });
      assert.ok(answer !== undefined);
    }
  }
  assert.deepEqual(await readdir(marks), []);
  // The same repositories do start them where nothing is held back.
  await mustRun('git', ['-C', signed, 'log', '-1']);
  await git(signed, 'config', '--unset', 'filter.x.process');
  await mustRun('git', ['-C', signed, '-c', 'core.fsmonitor=', 'status']);
  const started = await readdir(marks);
  assert.ok(started.includes('checker') && started.includes('clean'), started.join());
});

describe('filters of a repository start nothing', { skip: missing('git') }, () => {
  const places: readonly {
    readonly where: string;
    readonly filter?: string;
    readonly put: (dir: string, section: string) => Promise<unknown>;
  }[] = [
    {
      where: 'in a file that its settings include',
      put: async (dir, section) => {
        await writeFile(path.join(dir, '.git', 'more'), section);
        await mustRun('git', ['-C', dir, 'config', 'include.path', 'more']);
      },
    },
    {
      where: 'in the settings of a work tree',
      put: async (dir, section) => {
        await writeFile(path.join(dir, '.git', 'config.worktree'), section);
        await mustRun('git', ['-C', dir, 'config', 'extensions.worktreeConfig', 'true']);
      },
    },
    {
      where: 'with a name that git would split',
      filter: 'a=b',
      put: (dir, section) => appendFile(path.join(dir, '.git', 'config'), section),
    },
  ];
  for (const { where, filter = 'x', put } of places) {
    it(where, async (t) => {
      const folder = await tempDir(t);
      const dir = path.join(folder, 'repository');
      const mark = path.join(folder, 'mark');
      await mustRun('git', ['init', '-q', dir]);
      await writeFile(path.join(dir, '.gitattributes'), `* filter=${filter}\n`);
      await writeFile(path.join(dir, 'file'), 'one\n');
      await mustRun('git', ['-C', dir, 'add', '.']);
      await put(dir, `[filter "${filter}"]\n\tclean = touch ${mark}; cat\n\trequired = true\n`);
      await writeFile(path.join(dir, 'file'), 'two\n');
      const said = await askChanges(dir, {});
      await assert.rejects(access(mark), { code: 'ENOENT' });
      // What can't be switched off isn't asked at all.
      if (filter === 'x') assert.match(said ?? '', /^AM file$/m);
      else assert.equal(said, undefined);
      await mustRun('git', ['-C', dir, 'status']);
      await access(mark);
    });
  }
});
