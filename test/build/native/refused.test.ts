import assert from 'node:assert/strict';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { textFile } from '../../../src/build/layer.ts';
import { fromMemory } from '../../../src/bytes/stream.ts';
import { TAR_END, tarHeader, tarPadding } from '../../../src/bytes/tar-write.ts';
import { readManifest } from '../../../src/content/graph.ts';
import { testRegistry } from '../../content/places.ts';
import { mustRun } from '../../rig/programs.ts';
import { startProject } from './project.ts';

for (const [dockerfile, code, message] of [
  ['COPY nope /', 'FILE_NOT_FOUND', '2:1: "/nope": not found in the build context'],
  ['COPY left-out /', 'FILE_NOT_FOUND', '2:1: "/left-out": not found in the build context'],
  ['COPY ../a /', 'CONFIG_INVALID', '2:1: "../a" is outside of the build context'],
  ['COPY b/../../a /', 'CONFIG_INVALID', '2:1: "b/../../a" is outside of the build context'],
  ['COPY /../a /', 'CONFIG_INVALID', '2:1: "/../a" is outside of the build context'],
  ['ADD http://127.0.0.1/x /', 'NO_ENGINE', "2:1: ADD from a URL isn't done by the native engine"],
  [
    'ADD packed.xz /',
    'NO_ENGINE',
    /^Dockerfile:2:1: the archive "packed.xz" is compressed with xz/,
  ],
  ['COPY --chown=nobody a /', 'CONFIG_INVALID', '2:1: the image has no user "nobody"'],
  ['COPY --chown=1:staff a /', 'CONFIG_INVALID', '2:1: the image has no group "staff"'],
  ['COPY --chmod=rw a /', 'CONFIG_INVALID', '2:1: "rw" is no mode'],
  ['COPY a b /x', 'CONFIG_INVALID', /^Dockerfile:2:1: COPY with more than one source/],
  ['COPY * /x', 'CONFIG_INVALID', /^Dockerfile:2:1: COPY with more than one source/],
  ['COPY a /x\nCOPY a /x/', 'CONFIG_INVALID', '3:1: /x is no folder'],
  ['COPY a /x\nCOPY folder /x', 'CONFIG_INVALID', '3:1: /x is no folder'],
  [
    'COPY a /y/in\nCOPY folder /',
    'CONFIG_INVALID',
    /^Dockerfile:3:1: \/y is a folder in the image, and a file/,
  ],
  ['COPY .wh.a /', 'CONFIG_INVALID', /^Dockerfile:2:1: .*names with \.wh\. mean removed files/],
  ['COPY pipe /', 'CONFIG_INVALID', "2:1: pipe is a device, pipe or socket, which can't be copied"],
  ['COPY --from=9 a /', 'CONFIG_INVALID', '2:6: there is no stage 9'],
  ['COPY --from=Bad:Name! a /', 'REFERENCE_INVALID', /^Dockerfile:2:6: invalid reference/],
  ['COPY --parents a /', 'NO_ENGINE', '2:1: COPY --parents needs BuildKit'],
  ['EXPOSE 80x', 'CONFIG_INVALID', '2:1: "80x" is no port'],
  ['STOPSIGNAL SIGNOTHING', 'CONFIG_INVALID', '2:1: "SIGNOTHING" is no signal'],
  ['ENV a=${b', 'CONFIG_INVALID', '2:1: a } is missing'],
  ['ARG =b', 'CONFIG_INVALID', '2:1: ARG needs a name before the ='],
  ['CMD', 'CONFIG_INVALID', '2:1: CMD needs an argument'],
  ['RUN true', 'NO_ENGINE', '2:1: RUN needs an engine to run in'],
] as const) {
  test(`refused: ${dockerfile.replace('\n', '; ')}`, async (t) => {
    const project = await startProject(t);
    for (const name of ['a', 'b', 'folder/y', '.wh.a', 'left-out']) await project.write(name, name);
    await project.write('packed.xz', Buffer.from('fd377a585a000004', 'hex'));
    if (dockerfile.includes('pipe')) await mustRun('mkfifo', [path.join(project.context, 'pipe')]);
    const text = `FROM scratch\n${dockerfile}\n`;
    const request = project.request(text).dockerfile;
    const ignore = Buffer.from('left-out');
    const expected = typeof message === 'string' ? `Dockerfile:${message}` : message;
    await assert.rejects(
      project.build(text, request === undefined ? {} : { dockerfile: { ...request, ignore } }),
      { code, message: expected },
    );
    await project.store.prune();
    assert.deepEqual(await project.store.entries(), []);
  });
}

test('what .dockerignore leaves out says so', async (t) => {
  const project = await startProject(t);
  await project.write('secret', 's');
  const bytes = Buffer.from('FROM scratch\nCOPY secret /');
  const dockerfile = { name: 'Dockerfile', bytes, ignore: Buffer.from('secret') };
  await assert.rejects(project.build('', { dockerfile }), {
    hint: '.dockerignore leaves it out',
  });
});

test('links out of the context are refused, whatever is there', async (t) => {
  const project = await startProject(t);
  await writeFile(path.join(project.dir, 'secret'), 'secret');
  await mkdir(path.join(project.context, 'folder'));
  const links = {
    absolute: '/etc/passwd',
    climbing: '../secret',
    'folder/deep': '../../secret',
    outside: '..',
    again: 'folder/deep',
  };
  for (const [name, target] of Object.entries(links)) {
    await symlink(target, path.join(project.context, name));
    await assert.rejects(project.build(`FROM scratch\nCOPY ${name} /x`), {
      code: 'CONFIG_INVALID',
      message: /leads out of the build context/,
    });
  }
  await assert.rejects(project.build('FROM scratch\nCOPY outside/secret /x'), {
    code: 'CONFIG_INVALID',
  });
  await symlink('circle', path.join(project.context, 'circle'));
  await assert.rejects(project.build('FROM scratch\nCOPY circle /x'), {
    code: 'CONFIG_INVALID',
    message: /lead in a circle/,
  });
});

test('a link inside a folder that is copied stays a link, wherever it leads', async (t) => {
  const project = await startProject(t);
  await mkdir(path.join(project.context, 'folder'));
  await symlink('/etc/passwd', path.join(project.context, 'folder/link'));
  const [layer] = await project.layers(await project.build('FROM scratch\nCOPY folder /'));
  assert.ok(layer !== undefined && layer.size < 500);
});

test('an unreadable file is named', async (t) => {
  const project = await startProject(t);
  await project.write('closed', 'x');
  await chmod(path.join(project.context, 'closed'), 0);
  if (process.getuid?.() === 0) {
    // Root reads everything: this is tried as nobody.
    await mustRun('chown', ['-R', '65534', project.dir]);
    process.seteuid?.(65534);
    t.after(() => process.seteuid?.(0));
  }
  await assert.rejects(project.build('FROM scratch\nCOPY closed /'), {
    code: 'FILE_NOT_FOUND',
    message: /closed: permission denied/,
  });
});

test('stages that need each other, and stages that are not there, are named', async (t) => {
  const project = await startProject(t);
  const circle = 'FROM scratch AS a\nCOPY --from=b / /\nFROM a AS b\nCOPY --from=a / /';
  await assert.rejects(project.build(circle), {
    code: 'CONFIG_INVALID',
    message: 'Dockerfile:3:6: stages need each other in a circle: b → a → b',
  });
  await assert.rejects(project.build('FROM scratch AS a\nCOPY --from=0 / /'), {
    message: /in a circle: a → a/,
  });
  await assert.rejects(project.build('FROM scratch AS build', { target: 'biuld' }), {
    code: 'USAGE',
    message: 'Dockerfile has no stage "biuld"',
    hint: 'is build meant?',
  });
});

test('a base that is not there, or lacks the platform, is an error with its line', async (t) => {
  const { registry, registries } = await testRegistry(t);
  const project = await startProject(t, async () => registries);
  const name = `${registry.host}/team/base`;
  await assert.rejects(project.build(`FROM ${name}:none`), {
    code: 'NOT_FOUND',
    message: /^Dockerfile:1:6: /,
  });
  await assert.rejects(
    project.build(`FROM scratch AS build\nFROM scratch\nCOPY --from=${name} a b`),
    {
      code: 'NOT_FOUND',
      message: /no stage is called/,
    },
  );
  const arm = [{ os: 'linux', architecture: 'arm64' }];
  const root = await project.build('FROM scratch\nLABEL a=b', { platforms: arm });
  const { bytes } = await readManifest(project.store, root);
  await project.store.tag(root, `${name}:arm`, (offset) => fromMemory(bytes, offset));
  const platforms = [{ os: 'linux', architecture: 's390x' }];
  await assert.rejects(project.build(`FROM ${name}:arm`, { platforms }), { code: 'NOT_FOUND' });
  const repository = registries.repository({ host: registry.host, path: 'team/base' });
  for (const piece of [...(await project.layers(root))]) {
    await repository.push(piece, (offset) => project.store.fetch(piece, { offset }));
  }
  const config = (await readManifest(project.store, root)).document;
  assert.ok(config.kind === 'manifest');
  await repository.push(config.config, (offset) => project.store.fetch(config.config, { offset }));
  await repository.tag(root, 'arm', (offset) => fromMemory(bytes, offset));
  await assert.rejects(project.build(`FROM ${name}:arm`, { platforms }), {
    code: 'PLATFORM_NOT_FOUND',
    message: /^Dockerfile:1:6: .* has no image for linux\/s390x/,
    hint: 'it is for linux/arm64: build with --platform',
  });
});

test('a hostile archive for ADD leaves its folder in no way', async (t) => {
  const project = await startProject(t);
  const archive = (name: string, linkName?: string) =>
    Buffer.concat([
      linkName === undefined
        ? Buffer.concat([tarHeader({ name, sizeBytes: 1 }), Buffer.from('x'), tarPadding(1)])
        : tarHeader({ name, sizeBytes: 0, type: 'hardlink', linkName }),
      TAR_END,
    ]);
  await project.write('up.tar', archive('../out'));
  await project.write('link.tar', archive('in', '../../etc/passwd'));
  await project.write('gone.tar', archive('in', 'nothing'));
  await project.write('mark.tar', archive('.wh.in'));
  for (const [name, code] of [
    ['up', 'ARCHIVE_INVALID'],
    ['link', 'ARCHIVE_INVALID'],
    ['gone', 'ARCHIVE_INVALID'],
    ['mark', 'CONFIG_INVALID'],
  ]) {
    await assert.rejects(project.build(`FROM scratch\nADD ${name}.tar /x/`), { code }, name);
  }
  await project.write('absolute.tar', archive('/in'));
  await project.build('FROM scratch\nADD absolute.tar /x/');
});

test('what the native engine can not do is told before it begins, with the line', async (t) => {
  const project = await startProject(t);
  const reasons = {
    'FROM scratch\nCOPY a /': 'can',
    'FROM a\nLABEL b=c\nRUN x': 'line 3 runs a command',
    'FROM a AS unused\nRUN x\nFROM scratch': 'can',
    'FROM a AS used\nRUN x\nFROM scratch\nCOPY --from=used / /': 'line 2 runs a command',
    'FROM a AS used\nRUN x\nFROM used': 'line 2 runs a command',
    'FROM scratch\nADD https://a/b /': 'line 2 adds from a URL',
    'FROM scratch\nADD git@github.com:a/b.git /': 'line 2 adds from a URL',
    '# syntax=docker/dockerfile:1.7\nFROM scratch': 'can',
    '# syntax=example.com/own\nFROM scratch': 'it asks for another syntax (example.com/own)',
  };
  for (const [dockerfile, reason] of Object.entries(reasons)) {
    assert.equal(await project.probe(dockerfile), reason, dockerfile);
  }
  assert.equal(
    await project.probe('FROM scratch', { context: { kind: 'git', url: 'https://a/b' } }),
    'the context is a git repository',
  );
  await assert.rejects(project.probe('FORM a'), { code: 'CONFIG_INVALID' });
  assert.equal(textFile('a', 'b').sizeBytes, 1);
});
