import assert from 'node:assert/strict';
import { access, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { missing } from '../rig/programs.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { makeProject, prepareDimg } from './scene.ts';

const skip = missing('git');

describe('options of dimg commands', { skip }, async () => {
  if (skip) return;
  const line = await prepareDimg(THIS_FILE);
  const { dimg, tryDimg, must } = line;
  const made = (states: readonly string[]) =>
    states.flatMap((each) => /^dimg: (.*) \[OK\]$/.exec(each)?.[1] ?? []);
  const files = {
    'werf.yaml':
      'dimg: ~\nfrom: base\ngit: [{ to: /app, excludePaths: [werf.yaml, .gitignore] }]\ndocker: { CMD: [sh] }\n',
    '.gitignore': 'ignored\n',
    file: 'committed',
  };

  it('--dev builds files as they are, apart from what is committed', async (t) => {
    const { folder, git } = await makeProject(t, files);
    await dimg(folder, 'build');
    const before = await git('status', '--porcelain');
    const objects = await git('count-objects');
    assert.deepEqual(made(await dimg(folder, 'build', '--dev')), [
      'from',
      'git_archive',
      'docker_instructions',
    ]);
    await writeFile(path.join(folder, 'file'), 'changed');
    await writeFile(path.join(folder, 'new'), 'not added');
    await writeFile(path.join(folder, 'ignored'), 'x');
    assert.deepEqual(made(await dimg(folder, 'build')), []);
    const patch = ['git_latest_patch', 'docker_instructions'];
    assert.deepEqual(made(await dimg(folder, 'build', '--dev')), patch);
    assert.deepEqual(made(await dimg(folder, 'build', '--dev')), []);
    assert.equal(await git('status', '--porcelain'), `${before} M file\n?? new`);
    assert.equal(await git('count-objects'), objects);
    await dimg(folder, 'tag', 'x/y', '--dev', '--tag-commit');
    const name = `x/y:${await git('rev-parse', 'HEAD')}`;
    const [inspected] = JSON.parse((await must(['image', 'inspect', name])).join('\n'));
    assert.equal(inspected.Config.Labels['werf-dev-mode'], 'true');

    // What is back as it was stands on the archive alone again.
    await git('checkout', '--quiet', 'file');
    await git('clean', '--quiet', '--force');
    assert.deepEqual(made(await dimg(folder, 'build', '--dev')), []);
    const gone = await must(['dimg', 'mrproper', '--improper-dev-mode-cache']);
    assert.equal(gone.length, 6, gone.join());
    assert.deepEqual(made(await dimg(folder, 'build')), []);
  });

  it('--dev starts no program that the repository brings with it', async (t) => {
    const { folder, git } = await makeProject(t, { ...files, '.gitattributes': 'file filter=x\n' });
    const trap = path.join(folder, 'trap');
    await git('config', 'filter.x.clean', `touch ${trap}; cat`);
    await git('config', 'core.fsmonitor', `touch ${trap}-of-monitor`);
    await writeFile(path.join(folder, 'file'), 'changed');
    await dimg(folder, 'build', '--dev');
    assert.doesNotMatch(await git('-c', 'core.fsmonitor=', 'ls-files', '--others'), /trap/);
  });

  it('--dev starts no program of a repository inside of it', async (t) => {
    const inner = await makeProject(t, { '.gitattributes': '* filter=x\n', file: 'one' });
    const { folder, git } = await makeProject(t, files);
    const allowed = ['-c', 'protocol.file.allow=always'];
    await git(...allowed, 'submodule', '--quiet', 'add', inner.folder, 'inner');
    await git('commit', '--quiet', '--message=inner');
    const trap = path.join(inner.folder, 'trap');
    await git('-C', 'inner', 'config', 'filter.x.clean', `touch ${trap}; cat`);
    await writeFile(path.join(folder, 'inner', 'file'), 'two');
    await writeFile(path.join(folder, 'file'), 'changed');
    await dimg(folder, 'build', '--dev');
    await assert.rejects(access(trap), { code: 'ENOENT' });
    await git('status');
    await access(trap);
  });

  it('--verbose tells signatures and commands, --time when, --color in colours, -q nothing', async (t) => {
    const { folder } = await makeProject(t, { 'werf.yaml': 'dimg: ~\nfrom: base\n' });
    const text = async (...args: readonly string[]) => {
      const { code, stdout, stderr } = await tryDimg(folder, 'build', ...args);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    assert.match(await text('--verbose'), /\[BUILDING\]\n|^ {2}signature [0-9a-f]{64}$/m);
    assert.match(await text('--time'), /^\d{4}-\d\d-\d\dT[\d:.]+Z dimg: from +\[USING CACHE\]\n$/);
    assert.match(await text('--color', 'on'), /\u001b\[34m\[USING CACHE\]\u001b\[0m\n$/);
    for (const mode of ['auto', 'off']) {
      assert.match(await text('--color', mode), /from {90,}\[USING CACHE\]\n$/);
    }
    assert.equal(await text('-q', '--verbose'), '');
    const accepted = ['--force-save-cache', '--ignore-config-sequential-processing-warnings'];
    assert.match(await text(...accepted), /USING CACHE/);
    for (const [refused, said] of [
      [['--use-system-tar'], /--use-system-tar is not supported\n {2}hint: leave it out/],
      [
        ['--build-context-directory', 'x'],
        /directory is not supported\n {2}hint: --introspect-err/,
      ],
      [['--color', 'blue'], /Allowed choices are auto, on, off/],
    ] as const) {
      const { code, stderr } = await tryDimg(folder, 'build', ...refused);
      assert.equal(code, 2);
      assert.match(stderr, said);
    }
  });

  it('--help lists commands with their words', async () => {
    const help = (await must(['dimg', '--help'])).join('\n');
    assert.match(help, /^ {2}bp \[options\] \[\[DIMG\] REPO\.\.\.\] +build/m);
    assert.doesNotMatch(help, /WORDS/);
  });

  it('plan shows what dimg run would run, and runs nothing', async (t) => {
    const { folder } = await makeProject(t, { 'werf.yaml': 'dimg: ~\nfrom: base\n' });
    await dimg(folder, 'build');
    const args = ['plan', 'dimg', 'run', '--dir', folder, '--', 'rm', '-r', '/'];
    const { code, stdout, stderr } = await line.run(args);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^slipway run dimgstage-shop:[0-9a-f]{64} rm -r \/\n$/);
    assert.match((await must(['dimg', 'build', '--version'])).join(), /^slipway \d/);
  });

  for (const [what, files, args, code, said] of [
    [
      'no configuration',
      { other: '' },
      ['build'],
      2,
      /there is no werf\.yaml in .*\n.*hint: .*--dir/s,
    ],
    [
      'two dimgs without a name',
      { 'werf.yaml': 'dimg: ~\nfrom: a\n---\ndimg: ~\nfrom: a\n' },
      ['build'],
      2,
      /werf\.yaml:1: a nameless dimg can only stand alone/,
    ],
    [
      'imports in a circle',
      {
        'werf.yaml': `
artifact: a
from: base
import: [{ artifact: b, add: /x, before: install }]
---
artifact: b
from: base
import: [{ artifact: a, add: /x, before: install }]
---
dimg: ~
from: base
`,
      },
      ['build'],
      2,
      /werf\.yaml:2: images are made of each other: artifact a ← artifact b ← artifact a/,
    ],
    [
      'an unknown dimg',
      { 'werf.yaml': 'dimg: a\nfrom: base\n' },
      ['build', 'b'],
      12,
      /No such dimg: `b`!/,
    ],
    [
      'a dimg that is not built',
      { 'werf.yaml': 'dimg: a\nfrom: base\nfromCacheVersion: never\n' },
      ['push', '127.0.0.1:1/x'],
      12,
      /Dimg hasn't been built yet!\n {2}hint: slipway dimg build a builds it/,
    ],
    [
      'an artifact that is not there',
      { 'werf.yaml': 'dimg: a\nfromDimgArtifact: b\n' },
      ['list'],
      2,
      /dimg a needs artifact b, which isn't defined/,
    ],
  ] as const) {
    it(`are refused with ${what}`, async (t) => {
      const { folder } = await makeProject(t, { ...files });
      const { code: was, stderr, stdout } = await tryDimg(folder, ...args);
      assert.match(stderr, said);
      assert.deepEqual([was, stdout], [code, '']);
    });
  }
});
