import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseProject, projectName } from '../../src/dimg/project.ts';
import { onlyDimg, selectDimgs } from '../../src/dimg/select.ts';
import { isSlipwayError } from '../../src/errors.ts';

const WHOLE = `
project: my-project
configVersion: 1
---
artifact: assets
from: node:8
git:
- add: /web
  to: /src
shell:
  install: [npm ci, npm run build]
---
dimg: [backend, worker]
from: &base ubuntu:16.04
fromCacheVersion: 2
git:
- to: /app
  owner: www-data
  includePaths: src
  excludePaths: [src/tests]
  stageDependencies:
    install: [package.json, '*.lock']
shell:
  beforeInstall:
  - apt-get update
  - apt-get install -y curl --quiet
  setup: make
  setupCacheVersion: 3
  cacheVersion: all
import:
- artifact: assets
  add: /src/dist
  to: /app/public
  after: install
mount:
- from: tmp_dir
  to: /var/cache/apt
- fromPath: /opt/cache
  to: /cache
docker:
  ENV: {PORT: 8080}
  CMD: [./run, --all]
  EXPOSE: 8080
---
dimg: tools
fromDimg: backend
`;

function refusedWith(text: string): string {
  try {
    parseProject('werf.yaml', text);
  } catch (error) {
    if (isSlipwayError(error, 'CONFIG_INVALID')) return error.message;
    throw error;
  }
  return 'it is fine';
}

describe('werf.yaml', () => {
  it('is read whole', () => {
    const { project, images } = parseProject('werf.yaml', WHOLE);
    assert.equal(project, 'my-project');
    assert.deepEqual(
      images.map(({ kind, name, line }) => [kind, name, line]),
      [
        ['artifact', 'assets', 5],
        ['dimg', 'backend', 13],
        ['dimg', 'worker', 13],
        ['dimg', 'tools', 45],
      ],
    );
    const [, { kind: _, name: _name, line: _line, ...backend } = { kind: '', name: '', line: 0 }] =
      images;
    const nothing = { commands: [], cacheVersions: ['all'] };
    assert.deepEqual(backend, {
      base: { kind: 'from', image: 'ubuntu:16.04' },
      fromCacheVersion: '2',
      git: [
        {
          add: '/',
          to: '/app',
          includePaths: ['src'],
          excludePaths: ['src/tests'],
          owner: 'www-data',
          stageDependencies: { install: ['package.json', '*.lock'] },
        },
      ],
      userStages: {
        beforeInstall: {
          commands: ['apt-get update', 'apt-get install -y curl --quiet'],
          cacheVersions: ['all'],
        },
        install: nothing,
        beforeSetup: nothing,
        setup: { commands: ['make'], cacheVersions: ['3', 'all'] },
      },
      imports: [
        {
          kind: 'artifact',
          from: 'assets',
          when: 'after',
          stage: 'install',
          add: '/src/dist',
          to: '/app/public',
          includePaths: [],
          excludePaths: [],
        },
      ],
      mounts: [
        { kind: 'tmp_dir', to: '/var/cache/apt' },
        { kind: 'custom', from: '/opt/cache', to: '/cache' },
      ],
      docker: { ENV: { PORT: '8080' }, CMD: ['./run', '--all'], EXPOSE: ['8080'] },
    });
  });

  for (const [name, text, says] of [
    ['no YAML', 'dimg: [', /^werf\.yaml:1: /],
    ['no dimg', 'artifact: a\nfrom: b', /^werf\.yaml: no dimg is defined$/],
    ['nothing', '', /^werf\.yaml: no dimg is defined$/],
    [
      'a nameless dimg beside others',
      'dimg: ~\nfrom: a\n---\ndimg: b\nfrom: a',
      /^werf\.yaml:1: a nameless dimg can only stand alone$/,
    ],
    [
      'two nameless dimgs',
      'dimg: ~\nfrom: a\n---\ndimg: ~\nfrom: a',
      /nameless dimg can only stand alone/,
    ],
    [
      'a name twice',
      'dimg: b\nfrom: a\n---\n\nartifact: b\nfrom: a',
      /^werf\.yaml:5: there are two images called b$/,
    ],
    [
      'a wrong name',
      'dimg: A\nfrom: a',
      /^werf\.yaml:1: Dimg has incorrect name `A`: doesn't match regex `/,
    ],
    [
      'an unknown key',
      'dimg: a\nfrom: b\nshell:\n  instal: x',
      /^werf\.yaml:4: "instal" is not known here$/,
    ],
    [
      'a map for a text',
      'dimg: a\nfrom:\n  x: y',
      /^werf\.yaml:3: from should be a text, and is a map$/,
    ],
    ['no base', 'dimg: a', /^werf\.yaml:1: nothing to start from/],
    [
      'two bases',
      'dimg: a\nfrom: b\nfromDimg: c',
      /^werf\.yaml:3: from and fromDimg exclude each other$/,
    ],
    [
      'ansible',
      'dimg: a\nfrom: b\nansible:\n  install: []',
      /^werf\.yaml:4: ansible is not supported$/,
    ],
    ['asLayers', 'dimg: a\nfrom: b\nasLayers: true', /^werf\.yaml:3: asLayers is not supported$/],
    [
      'a path out',
      'dimg: a\nfrom: b\ngit:\n- to: /a/../..',
      /^werf\.yaml:4: to should be an absolute path/,
    ],
    [
      'an unknown artifact',
      'dimg: a\nfromDimgArtifact: b',
      /dimg a needs artifact b, which isn't defined$/,
    ],
    [
      'a circle',
      'dimg: a\nfromDimg: b\n---\ndimg: b\nfromDimg: a',
      /made of each other: dimg a ← dimg b ← dimg a$/,
    ],
    ['itself', 'dimg: a\nfromDimg: a', /made of each other: dimg a ← dimg a$/],
    [
      'a wrong import',
      'dimg: a\nfrom: b\nimport:\n- add: /x\n  before: install',
      /^werf\.yaml:4: an import should have either artifact or dimg$/,
    ],
    [
      'a bomb',
      `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [${'*a,'.repeat(9)}]\nc: &c [${'*b,'.repeat(9)}]\nd: [${'*c,'.repeat(9)}]`,
      /^werf\.yaml:1: Excessive alias count/,
    ],
    ['a list', '- a', /^werf\.yaml:1: the document should be a map, and is a list$/],
    ['a prototype', 'dimg: a\nfrom: b\n__proto__: {}', /"__proto__" is not known here/],
  ] as const) {
    it(`${name} is refused with its line`, () => {
      assert.match(refusedWith(text), says);
    });
  }
});

describe('the name of a project', () => {
  it('is what the file says, the option, the address or the folder', () => {
    const folder = '/home/me/My App';
    assert.equal(projectName({ project: 'x' }, { name: 'y', folder }), 'x');
    assert.equal(projectName({}, { name: 'y', origin: 'z', folder }), 'y');
    for (const origin of [
      'git@host:team/app.git',
      'https://host/team/app',
      'https://host/app/',
      'ssh://h:22/app.git',
      '/srv/app.git/',
    ]) {
      assert.equal(projectName({}, { origin, folder }), 'app', origin);
    }
    assert.match(projectName({}, { folder }), /^my-app-[0-9a-f]{8}$/);
  });
});

describe('patterns', () => {
  const project = parseProject('werf.yaml', 'dimg: [core, queue, api, kube-tools]\nfrom: a');
  const named = (...patterns: string[]) => selectDimgs(project, patterns).map(({ name }) => name);

  it('choose dimgs in the order of the file', () => {
    assert.deepEqual(named(), ['core', 'queue', 'api', 'kube-tools']);
    assert.deepEqual(named('api', 'core'), ['core', 'api']);
    assert.deepEqual(named('*e*'), ['core', 'queue', 'kube-tools']);
    assert.deepEqual(named('?p?'), ['api']);
    assert.deepEqual(named('[a-c]*'), ['core', 'api']);
    assert.deepEqual(named('[!a-c]*'), ['queue', 'kube-tools']);
    assert.deepEqual(named('kube\\-tools', 'no'), ['kube-tools']);
    assert.deepEqual(named(`${'*e'.repeat(2)}`), ['queue']);
  });

  it('that mean nothing are an error', () => {
    const refusal = { code: 'NOT_FOUND', message: 'No such dimg: `a`, `b`!' };
    assert.throws(() => named('a', 'b'), refusal);
    assert.throws(() => named('\\', '[', ''), { code: 'NOT_FOUND' });
  });

  it('take no long time for many stars', () => {
    assert.throws(() => named('*a'.repeat(2000)), { code: 'NOT_FOUND' });
  });

  it('always mean a nameless dimg, and can be asked for exactly one', () => {
    const nameless = parseProject('werf.yaml', 'dimg: ~\nfrom: a');
    assert.equal(selectDimgs(nameless, ['x']).length, 1);
    assert.equal(onlyDimg(nameless.images).name, undefined);
    assert.throws(() => onlyDimg(project.images), {
      message: /^Command can process only one dimg! Ambiguous dimg pattern: `core`, `queue`/,
    });
  });
});
