import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { isSlipwayError } from '../../src/errors.ts';
import type { Project } from '../../src/jet/pipeline.ts';
import { readProject } from '../../src/jet/project.ts';
import { allSteps } from '../../src/jet/step.ts';
import { prepareCommandLine } from '../cli/in-process.ts';
import { tempDir } from '../rig/lifetime.ts';
import { missing, mustRun } from '../rig/programs.ts';

const SERVICES = `
app:
  build:
    image: quay.io/team/app
    dockerfile: Dockerfile
db:
  image: postgres
`;

interface Files {
  readonly services?: string;
  readonly steps?: string;
  readonly servicesName?: string;
  readonly stepsName?: string;
}

async function project(t: TestContext, files: Files): Promise<string> {
  const dir = await tempDir(t);
  const { services = SERVICES, steps = '- {service: app, command: ls}' } = files;
  await writeFile(path.join(dir, files.servicesName ?? 'codeship-services.yml'), services);
  await writeFile(path.join(dir, files.stepsName ?? 'codeship-steps.yml'), steps);
  return dir;
}

async function read(t: TestContext, files: Files): Promise<Project & { warnings: string[] }> {
  const warnings: string[] = [];
  const found = await readProject({ dir: await project(t, files) }, (text) => warnings.push(text));
  return { ...found, warnings };
}

async function refused(t: TestContext, files: Files): Promise<string> {
  try {
    await read(t, files);
  } catch (error) {
    assert.ok(isSlipwayError(error, 'CONFIG_INVALID', 'LIMIT_EXCEEDED'), String(error));
    return `${error.message}\n${error.hint}`;
  }
  throw new Error('it was not refused');
}

describe('where files are', () => {
  test('names are looked for in their order, YAML and JSON', async (t) => {
    const dir = await project(t, {
      servicesName: 'docker-compose.yml',
      stepsName: 'codeship-steps.json',
      steps: '[\n\t{"service": "app", "command": "ls -l"}\n]\n',
    });
    const warn = () => {};
    const first = await readProject({ dir }, warn);
    assert.deepEqual(
      [first.servicesFile, first.stepsFile],
      ['docker-compose.yml', 'codeship-steps.json'],
    );
    await writeFile(path.join(dir, 'jet-services.json'), JSON.stringify({ app: { build: '.' } }));
    await writeFile(path.join(dir, 'codeship-steps.yml'), '- {service: app, command: other}');
    const second = await readProject({ dir }, warn);
    assert.deepEqual(
      [second.servicesFile, second.stepsFile],
      ['jet-services.json', 'codeship-steps.yml'],
    );
    const named = await readProject({ dir, servicesPath: 'docker-compose.yml' }, warn);
    assert.equal(named.services.size, 2);
  });

  test('a folder without them says what was looked for', async (t) => {
    const slipway = await prepareCommandLine(t);
    const { code, stderr } = await slipway.run(['jet', 'validate', '--dir', await tempDir(t)]);
    assert.equal(code, 2);
    assert.match(
      stderr,
      /holds no services file\n.*looked for jet-services.yml, .*docker-compose/s,
    );
  });

  test('jet validate tells what it found, or line and field', async (t) => {
    const slipway = await prepareCommandLine(t);
    const good = await slipway.run(['jet', 'validate', '--dir', await project(t, {})]);
    assert.equal(good.code, 0, good.stderr);
    assert.equal(
      good.stdout,
      'codeship-services.yml: 2 services\ncodeship-steps.yml: 1 step\nvalid\n',
    );
    const dir = await project(t, { steps: '\n- service: nope\n  command: ls\n' });
    const bad = await slipway.run(['jet', 'validate', '--dir', dir]);
    assert.equal(bad.code, 2);
    assert.match(bad.stderr, /codeship-steps.yml, line 2: \[0\].service names the service "nope"/);
    assert.match(bad.stderr, /hint: services are app, db/);
  });
});

describe('services', () => {
  test('a wrapper and a version are seen through, and aliases merged', async (t) => {
    const services = `
version: '2'
services:
  base: &base
    image: busybox
    environment: [A=1]
  app:
    <<: *base
    command: sh -c "echo $HOME && ls"
`;
    const found = (await read(t, { services })).services;
    assert.deepEqual([...found.keys()], ['base', 'app']);
    assert.deepEqual(found.get('app')?.command, ['sh', '-c', 'echo $HOME && ls']);
    assert.deepEqual(found.get('app')?.variables.plain, [{ name: 'A', value: '1' }]);
  });

  test('the words of 2015 and of 2020 mean the same', async (t) => {
    const at = async (build: string) =>
      (await read(t, { services: `app:\n  build: ${build}\n` })).services.get('app')?.build;
    const old = await at('{image: a, dockerfile_path: x/Dockerfile, path: x}');
    const now = await at('{image: a, dockerfile: x/Dockerfile, context: x}');
    assert.deepEqual([old?.context, old?.dockerfile], ['x', 'x/Dockerfile']);
    assert.deepEqual([now?.context, now?.dockerfile], ['x', 'x/Dockerfile']);
    assert.equal((await at('./dir'))?.context, './dir');
  });

  test('fields of compose are ignored, others told', async (t) => {
    const services = 'app:\n  build: .\n  ports: ["80"]\n  comand: ls\n';
    const { warnings } = await read(t, { services });
    assert.deepEqual(warnings, [
      'codeship-services.yml, line 4: app.comand is unknown, and ignored',
    ]);
  });
});

describe('groups', () => {
  const shape = (steps: Project['steps']): unknown[] =>
    steps.map((step) =>
      step.kind === 'group' || step.kind === 'manual'
        ? [step.kind === 'group' ? step.order : step.kind, ...shape(step.steps)]
        : `${step.service} ${step.kind === 'run' ? step.command.join(' ') : 'push'}`,
    );
  const steps = (type: string) =>
    `- {type: ${type}, services: [app, db], steps: [{command: a}, {command: b}]}`;

  test('services in a parallel group are sequences side by side, in a serial one all in turn', async (t) => {
    const parallel = await read(t, { steps: steps('parallel') });
    assert.deepEqual(shape(parallel.steps), [
      ['parallel', ['serial', 'app a', 'app b'], ['serial', 'db a', 'db b']],
    ]);
    const serial = await read(t, { steps: steps('serial') });
    assert.deepEqual(shape(serial.steps), [['serial', 'app a', 'app b', 'db a', 'db b']]);
  });

  test('a matrix is all its steps once for each service, groups inside of it too', async (t) => {
    const text = `
- type: matrix
  services: [app, db]
  steps:
  - type: parallel
    steps: [{command: a}, {type: serial, steps: [{command: b}, {command: c}]}]
`;
    const { steps, warnings } = await read(t, { steps: text });
    const each = (name: string) => [
      'serial',
      ['parallel', `${name} a`, ['serial', `${name} b`, `${name} c`]],
    ];
    assert.deepEqual(shape(steps), [['parallel', each('app'), each('db')]]);
    assert.deepEqual(warnings, []);
    const names = [...allSteps(steps)].map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
  });

  test('members inherit service and credentials, names are made and stay the same', async (t) => {
    const text = `
- type: serial
  service: app
  encrypted_dockercfg_path: cfg
  steps:
  - command: one
  - type: parallel
    steps: [{command: two}, {type: push, image_name: quay.io/team/app}]
`;
    const { steps } = await read(t, { steps: text });
    assert.deepEqual(shape(steps), [['serial', 'app one', ['parallel', 'app two', 'app push']]]);
    const [group] = steps;
    assert.ok(group?.kind === 'group');
    const [one] = group.steps;
    assert.match(one?.name ?? '', /^app-[0-9a-f]{8}$/);
    assert.equal(one?.credentials.encryptedDockercfgPath?.text(), 'cfg');
    const again = await read(t, { steps: text });
    assert.deepEqual((again.steps[0] as typeof group).steps[0]?.name, one?.name);
  });
});

/** A group of the group before it, twice. */
function groupOfTwo(name: string): string {
  const before = String.fromCharCode(name.charCodeAt(0) - 1);
  return `&${name} {type: serial, steps: [*${before}, *${before}]}`;
}

/** What is wrong with a steps file, and what is said about it. */
const BAD_STEPS: Readonly<Record<string, readonly [string, RegExp]>> = {
  'bad YAML': ['- service: app\n  command: [', /line 2, column \d+: /],
  'no list': ['service: app', /is no list of steps/],
  'no step': ['[]', /holds no step/],
  'neither type nor command': ['- service: app', /\[0\] has neither type nor command/],
  'an unknown type': ['- {type: cube, steps: []}', /\[0\].type is "cube", which is no type/],
  'a matrix without services': [
    '- {type: matrix, steps: [{service: app, command: ls}]}',
    /is a matrix without services/,
  ],
  'a type that is a word of JavaScript': [
    '- {type: constructor, steps: []}',
    /\[0\].type is "constructor", which is no type/,
  ],
  'an unknown service': ['- {service: web, command: ls}', /"web".*\nservices are app, db/],
  'no service': ['- command: ls', /\[0\] names no service/],
  'a service in group and member': [
    '- type: serial\n  service: app\n  steps:\n  - {service: db, command: ls}',
    /line 4: \[0\].steps\[0\].service cannot be specified/,
  ],
  'a group without steps': ['- {type: serial}', /is a group without steps/],
  'a quote that is not closed': [`- {service: app, command: 'a "b'}`, /has a " that is not closed/],
  'no image_name': ['- {type: push, service: app}', /is a push step without image_name/],
  'an image_name that differs': [
    '- {type: push, service: app, image_name: quay.io/team/other}',
    /is "quay.io\/team\/other", but the service app builds "quay.io\/team\/app"/,
  ],
  'an image_name that is none': [
    '- {type: push, service: app, image_name: "quay.io/Team/"}',
    /\[0\].image_name is no name of an image/,
  ],
  'a push of what is not built': [
    '- {type: push, service: db, image_name: postgres}',
    /the service db builds no image/,
  ],
  'two steps of one name': [
    '- {name: a, service: app, command: ls}\n- {name: a, service: app, command: ls}',
    /line 2: \[1\].name is "a", the name of codeship-steps.yml, line 1 too/,
  ],
  'manual and not last': [
    '- {type: manual, steps: [{service: app, command: ls}]}\n- {service: app, command: ls}',
    /manual step and not the last one/,
  ],
  'an endless filter': [
    `- {service: app, command: ls, exclude: "${'(a|b)*'.repeat(1000)}"}`,
    /\[0\].exclude is longer than 1000 characters/,
  ],
  'groups of aliases of groups': [
    ['- &a {type: serial, steps: [{service: app, command: ls}]}']
      .concat(Array.from('bcdefghijklmnopqrs', (name) => `- ${groupOfTwo(name)}`))
      .join('\n'),
    /more than 50000 values/,
  ],
  'a group inside itself': ['- &a\n  type: serial\n  steps: [*a]', /nested deeper than/],
};

for (const [what, [steps, said]] of Object.entries(BAD_STEPS)) {
  test(`steps are refused with ${what}`, async (t) => {
    assert.match(await refused(t, { steps }), said);
  });
}

test('many aliases take no time to speak of', async (t) => {
  const count = 40_000;
  const steps = `- &a {service: app, command: ls}\n${'- *a\n'.repeat(count)}`;
  const started = performance.now();
  assert.match(await refused(t, { steps }), /more than 50000 values/);
  // Searching the file for each of them took minutes.
  assert.ok(performance.now() - started < 60_000);
});

const BAD_SERVICES: Readonly<Record<string, readonly [string, RegExp]>> = {
  nothing: ['', /the file is no mapping/],
  'neither build nor image': ['app: {command: ls}', /app has neither build nor image/],
  'an unknown link': [
    'app: {image: a, links: [cache]}',
    /app.links\[0\] names the service "cache"/,
  ],
  'a circle': [
    'app: {image: a, links: [b]}\nb: {image: a, depends_on: [app]}',
    /app needs itself: app → b → app/,
  ],
  'a circle of volumes': [
    'app: {image: a, volumes_from: [b]}\nb: {image: a, links: ["c:d"]}\nc: {image: a, volumes_from: [b]}',
    /line 2: b needs itself: b → c → b/,
  ],
  'a service that links to itself': [
    'app: {image: a, links: [app]}',
    /app needs itself: app → app/,
  ],
  'a chain without an end': [
    Array.from({ length: 5000 }, (_, at) => `a${at}: {image: x, links: [a${at + 1}]}`)
      .concat('a5000: {image: x}')
      .join('\n'),
    /a chain of more than 500 services/,
  ],
  'a docker config that needs itself': [
    'app: {image: a, dockercfg_service: b}\nb: {image: b, dockercfg_service: app}',
    /app needs itself: app → b → app/,
  ],
  'two builds of one image': [
    'app: {build: {image: x}}\nb: {build: {image: x, context: other}}',
    /"x", which the service app builds too/,
  ],
  'a volume that is none': ['app: {image: a, volumes: ["a:b:c:d"]}', /is no volume/],
  'a truth that is none': ['app: {image: a, add_docker: maybe}', /is neither true nor false/],
  'a key twice': ['app: {image: a}\napp: {image: b}', /line 2/],
  'lists in lists without an end': [
    `app: {build: {args: ${'['.repeat(3000)}`,
    /line 1, column \d+: it is nested too deeply/,
  ],
  'a mapping merged into itself': ['app: &a\n  image: x\n  <<: *a', /more than 50000 values/],
};

for (const [what, [services, said]] of Object.entries(BAD_SERVICES)) {
  test(`services are refused with ${what}`, async (t) => {
    assert.match(await refused(t, { services }), said);
  });
}

test("the page's examples fail in their literal form, and it is said what is wrong", async (t) => {
  const services = 'demo:\n  build:\n    image: myregistry.mydomain.com:5002/myuser/myrepo\n';
  const hub = '- {service: app, command: ls}\n';
  assert.match(
    await refused(t, { services, steps: hub }),
    /"app", which is not defined\nservices are demo/,
  );
  const quay = `- service: demo
  type: push
  image_name: bovice/discourse
  registry: quay.io/username/reponame
`;
  assert.match(
    await refused(t, { services, steps: quay }),
    /is "bovice\/discourse", but the service demo builds/,
  );
});

test('a registry with a path, a slash at its end or another host is warned of', async (t) => {
  const warned = async (registry: string) =>
    (
      await read(t, {
        steps: `- {type: push, service: app, image_name: quay.io/team/app, registry: "${registry}"}`,
      })
    ).warnings.join('\n');
  assert.equal(await warned('quay.io'), '');
  assert.equal(await warned('https://quay.io'), '');
  assert.match(await warned('quay.io/'), /ends in a slash/);
  assert.match(await warned('quay.io/team/app'), /has a path.*host quay.io/);
  assert.match(await warned('https://index.docker.io/v1/'), /is docker.io, and .* goes to quay.io/);
});

test("the page's examples are valid in their corrected form", async (t) => {
  const image = 'myregistry.mydomain.com:5002/myuser/myrepo';
  const own = `- {service: demo, command: ls}
- service: demo
  type: push
  image_name: ${image}
  registry: myregistry.mydomain.com:5002
  encrypted_dockercfg_path: dockercfg.encrypted
`;
  const quay = own
    .replace(image, 'quay.io/username/repository_name')
    .replace('myregistry.mydomain.com:5002', 'quay.io');
  for (const [name, steps] of [
    [image, own],
    ['quay.io/username/repository_name', quay],
  ] as const) {
    const services = `demo:\n  build:\n    image: ${name}\n`;
    const found = await read(t, { services, steps });
    assert.deepEqual(found.warnings, []);
    assert.deepEqual(
      found.steps.map(({ kind }) => kind),
      ['run', 'push'],
    );
  }
});

test('a pipe, a device or a folder in the place of a file is refused at once', {
  skip: missing('mkfifo'),
}, async (t) => {
  const pipe = path.join(await tempDir(t), 'pipe');
  await mustRun('mkfifo', [pipe]);
  for (const wrong of [pipe, '/dev/zero', path.dirname(pipe)]) {
    const dir = await project(t, {});
    for (const paths of [{ servicesPath: wrong }, { stepsPath: wrong }]) {
      await assert.rejects(
        readProject({ dir, ...paths }, () => {}),
        (error) => {
          assert.ok(isSlipwayError(error, 'CONFIG_INVALID', 'FILE_NOT_FOUND'), String(error));
          assert.match(error.message, /is no regular file|is a folder/);
          return true;
        },
      );
    }
  }
});
