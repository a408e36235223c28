import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import { encrypt } from '../../src/jet/encryption.ts';
import type { RegistryOptions } from '../../src/server/options.ts';
import { startRegistry } from '../../src/server/registry.ts';
import { prepareCommandLine } from '../cli/in-process.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import { atEnd, type Owner } from '../rig/lifetime.ts';
import { MAIN } from '../rig/main.ts';
import { missing } from '../rig/programs.ts';
import { atTerminal } from '../rig/terminal.ts';
import { writeProject } from './project.ts';

const DOCKERFILE = 'FROM scratch\nCOPY message /message\nCMD ["/message"]\n';

/** A project of the example for a local registry, without the steps that run commands. */
async function example(owner: Owner, host: string, steps: string, more = {}): Promise<string> {
  return await writeProject(owner, {
    Dockerfile: DOCKERFILE,
    message: 'hello\n',
    'codeship-services.yml': `app:\n  build:\n    image: ${host}/myapp\n    dockerfile: Dockerfile\n`,
    'codeship-steps.yml': steps.replaceAll('HOST', host),
    ...more,
  });
}

const PUSH = '- {name: out, service: app, type: push, image_name: HOST/myapp, registry: HOST}\n';

describe('push steps without any engine', () => {
  test('without --push they do nothing', async (t) => {
    const slipway = await prepareCommandLine(t);
    const dir = await example(t, '127.0.0.1:1', PUSH);
    const { code, stdout } = await slipway.run(['jet', 'steps', '--dir', dir]);
    assert.equal(code, 0);
    assert.equal(stdout, '(step: out) skipped: nothing is pushed without --push\n');
  });

  test('the image is built, pushed and can be pulled; twice sends nothing', async (t) => {
    const slipway = await prepareCommandLine(t);
    const host = await serve(t);
    const dir = await example(t, host, PUSH);
    const words = ['jet', 'steps', '--push=true', '--progress', 'none'];
    const { code, stdout, stderr } = await slipway.run([...words, '--dir', dir]);
    assert.equal(code, 0, stderr);
    const [pushes, published, success] = stdout.split('\n');
    assert.equal(pushes, `(step: out) pushes ${host}/myapp:latest`);
    assert.match(published ?? '', new RegExp(`^${host}/myapp@sha256:[0-9a-f]{64}$`));
    assert.equal(success, '(step: out) success ✔');
    assert.match((await slipway.must(['ls', `${host}/myapp`])).join('\n'), /^latest /m);
    const again = await slipway.run([...words, '--dir', dir]);
    assert.equal(again.stdout, stdout);
  });

  test('tags come from image_tag, and several steps are one release of one image', async (t) => {
    const slipway = await prepareCommandLine(t);
    const host = await serve(t);
    const push = '{service: app, type: push, image_name: HOST/myapp, image_tag: TAG}';
    const tags = ['dev', '"{{.ServiceName}}.{{.Branch}}"', '"{{ .CiName }}-{{ .BuildID }}"'];
    const steps = `- type: parallel\n  steps:\n${tags
      .map((tag) => `  - ${push.replace('TAG', tag)}\n`)
      .join('')}- ${push.replace('TAG', '"{{ slice .CommitID 0 4 }}"')}\n`;
    const dir = await example(t, host, steps);
    const flags = ['--ci-branch', 'feature/x', '--ci-build-id=7', '--ci-commit-id', 'abcdef'];
    const out = await slipway.must(['jet', 'steps', '--push', '--dir', dir, ...flags]);
    assert.equal(out.filter((line) => line.includes('@sha256:')).length, 1, out.join('\n'));
    const listed = (await slipway.must(['ls', `${host}/myapp`])).join('\n');
    for (const tag of ['dev', 'app.featurex', 'codeship-7', 'abcd']) {
      assert.match(listed, new RegExp(`^${tag} `, 'm'));
    }
  });

  test('names are those of the page: a host of its own, quay.io, and Docker Hub without one', async (t) => {
    const slipway = await prepareCommandLine(t);
    const auth = Buffer.from('me:pass-word-1').toString('base64');
    const names = {
      'quay.io/username/repository_name, image_tag: dev, registry: quay.io':
        'quay.io/username/repository_name:dev',
      'username/repository_name': 'docker.io/username/repository_name:latest',
      'username/repository_name, registry: "https://index.docker.io/v1/"':
        'docker.io/username/repository_name:latest',
    };
    for (const [words, name] of Object.entries(names)) {
      const [image = ''] = words.split(',');
      const dir = await writeProject(t, {
        Dockerfile: 'FROM scratch\n',
        cfg: JSON.stringify({
          auths: { 'https://index.docker.io/v1/': { auth }, 'quay.io': { auth } },
        }),
        'codeship-services.yml': `app: {build: {image: ${image}}}`,
        'codeship-steps.yml': `- {service: app, type: push, dockercfg_path: cfg, image_name: ${words}}`,
      });
      // Nothing leaves this machine.
      const env = { HTTPS_PROXY: 'http://127.0.0.1:1', https_proxy: 'http://127.0.0.1:1' };
      const steps = ['jet', 'steps', '--push', '--retries', '0', '--dir', dir];
      const { code, stdout, stderr } = await slipway.run(steps, undefined, env);
      assert.equal(code, 16, stderr);
      assert.match(stdout, new RegExp(`^\\(step: app-\\w+\\) pushes ${name}$`, 'm'));
      assert.equal((stderr.match(/^warning/gm) ?? []).length, 0, stderr);
    }
  });

  test('with --pull-if-present the registry is asked for a base image that was pulled before', async (t) => {
    const slipway = await prepareCommandLine(t);
    const host = await serve(t);
    const below = async (message: string) => {
      const dir = await example(t, host, PUSH, { message });
      const other = await prepareCommandLine(t);
      await other.must(['jet', 'steps', '--push', '--dir', dir]);
    };
    const dir = await example(t, host, PUSH.replace('HOST/myapp', 'HOST/above'), {
      Dockerfile: `FROM ${host}/myapp\n`,
      'codeship-services.yml': `app:\n  build: {image: ${host}/above}\n`,
    });
    const layers = async (...words: string[]) => {
      const out = await slipway.must(['jet', 'steps', '--push', '--dir', dir, ...words]);
      const [digest = ''] = /sha256:[0-9a-f]{64}/.exec(out.join('\n')) ?? [];
      return digest;
    };
    await below('one');
    await slipway.must(['pull', `${host}/myapp`]);
    const first = await layers('-T', '--print-build-output');
    await below('two');
    assert.equal(await layers(), first);
    assert.notEqual(await layers('--pull-if-present'), first);
  });

  test('a release that fails in one registry moves no tag in another', async (t) => {
    const slipway = await prepareCommandLine(t);
    const host = await serve(t);
    const locked = await serve(t, { readOnly: true });
    const dir = await writeProject(t, {
      Dockerfile: DOCKERFILE,
      message: 'hello\n',
      'codeship-services.yml': `a:\n  build: {image: ${host}/a}\nb:\n  build: {image: ${locked}/b}\n`,
      'codeship-steps.yml': `- {name: first, service: a, type: push, image_name: ${host}/a}\n- {name: second, service: b, type: push, image_name: ${locked}/b}\n`,
    });
    const { code, stdout } = await slipway.run(['jet', 'steps', '--push', '--dir', dir]);
    assert.equal(code, 15);
    assert.match(stdout, /\(step: second\) failed ✗/);
    assert.doesNotMatch(stdout, /success/);
    assert.equal((await slipway.run(['ls', `${host}/a`])).stdout.includes('latest'), false);
  });

  test('steps for other branches are skipped', async (t) => {
    const slipway = await prepareCommandLine(t);
    const host = await serve(t);
    const step = (name: string, filter: string) =>
      `- {name: ${name}, service: app, type: push, image_name: HOST/myapp, image_tag: ${name}, ${filter}}\n`;
    const dir = await example(
      t,
      host,
      step('a', 'tag: master') + step('b', 'tag: "^(dev|stag)"') + step('c', 'exclude: staging'),
    );
    const out = await slipway.must(['jet', 'steps', '--push', '--tag', 'staging', '--dir', dir]);
    assert.deepEqual(out.slice(0, 1), ['(step: a) skipped: it is for master, not staging']);
    assert.ok(out.includes('(step: b) success ✔'));
    assert.ok(out.includes('(step: c) skipped: excluded for staging'));
  });

  test('a step with a command says what it needs, and what comes after it does not run', async (t) => {
    const slipway = await prepareCommandLine(t);
    const host = await serve(t);
    const dir = await example(t, host, `- {name: test, service: app, command: ls}\n${PUSH}`);
    const { code, stdout, stderr } = await slipway.run(['jet', 'steps', '--push', '--dir', dir]);
    assert.equal(code, 21, stderr);
    assert.match(stdout, /^\(step: test\) failed ✗ a command runs in a container/);
    assert.match(stderr, /start Docker or Podman.*steps that only push need none/);
    assert.doesNotMatch(stdout, /step: out/);
  });

  test('a build that fails and a template that fails are told with their step', async (t) => {
    const slipway = await prepareCommandLine(t);
    const host = await serve(t);
    const broken = await example(t, host, PUSH, { Dockerfile: 'FROM scratch\nCOPY no /no\n' });
    const build = await slipway.run(['jet', 'steps', '--push', '--dir', broken]);
    assert.notEqual(build.code, 0);
    assert.match(build.stdout, /\(step: out\) failed ✗/);
    const step = PUSH.replace('}', ', image_tag: "{{ .Nope }}"}');
    const dir = await example(t, host, step);
    const template = await slipway.run(['jet', 'steps', '--push', '--dir', dir]);
    assert.equal(template.code, 2);
    assert.match(template.stderr, /line 1: \[0\].image_tag is a template that fails/);
  });

  test('two images for one name are refused before anything is sent', async (t) => {
    const slipway = await prepareCommandLine(t);
    const host = await serve(t);
    const services = ['one', 'two']
      .map((name) => `${name}:\n  build: {image: "${host}/x:${name}", dockerfile: ${name}}\n`)
      .join('');
    const step = (name: string) =>
      `- {service: ${name}, type: push, image_name: ${host}/x, image_tag: same}\n`;
    const dir = await example(t, host, step('one') + step('two'), {
      one: DOCKERFILE,
      two: `${DOCKERFILE}LABEL a=b\n`,
      'codeship-services.yml': services,
    });
    const { code, stderr } = await slipway.run(['jet', 'steps', '--push', '--dir', dir]);
    assert.equal(code, 2);
    assert.match(stderr, /line 2: \[1\] pushes another image than an earlier step to .*x:same/);
    assert.equal((await slipway.run(['ls', `${host}/x`])).code, 12);
  });

  test('an encrypted value that is none says where it stands', async (t) => {
    const slipway = await prepareCommandLine(t);
    const dir = await example(t, '127.0.0.1:1', PUSH, {
      'codeship.aes': `${Buffer.alloc(32, 5).toString('base64')}\n`,
      'codeship-services.yml':
        'app:\n  build:\n    image: 127.0.0.1:1/myapp\n    encrypted_args: {SECRET: plain-hidden}\n',
    });
    const { code, stderr } = await slipway.run(['jet', 'steps', '--push', '--dir', dir]);
    assert.equal(code, 2);
    assert.match(stderr, /line 4: app.build.encrypted_args.SECRET is not encrypted/);
    assert.doesNotMatch(stderr, /plain-hidden/);
  });

  test('manual steps stop where nobody can be asked, and go on when approved', async (t) => {
    const slipway = await prepareCommandLine(t);
    const host = await serve(t);
    const dir = await example(t, host, `- name: gate\n  type: manual\n  steps:\n  ${PUSH}`);
    const words = ['jet', 'steps', '--push', '--dir', dir];
    const stopped = await slipway.run(words);
    assert.equal(stopped.code, 0);
    assert.match(stopped.stdout, /^\(step: gate\) waits for approval/);
    const approved = await slipway.must([...words, '-e', 'CI_BUILD_APPROVED=true']);
    assert.ok(approved.includes('(step: out) success ✔'));
  });

  const words = { yes: /success ✔/, no: /\(step: gate\) not approved/ };
  for (const [answer, said] of Object.entries(words)) {
    test(`a manual step asks at a terminal, and is answered ${answer}`, {
      skip: missing('script'),
    }, async (t) => {
      const slipway = await prepareCommandLine(t);
      const host = await serve(t);
      const dir = await example(t, host, `- name: gate\n  type: manual\n  steps:\n  ${PUSH}`);
      const { code, shown } = await atTerminal(
        [process.execPath, MAIN, 'jet', 'steps', '--push', '--progress', 'none', '--dir', dir],
        slipway.env,
        [[/Run the steps of gate\? \[y\/N\] $/, `${answer}\n`]],
      );
      assert.equal(code, 0, shown);
      assert.match(shown, said);
      const listed = await slipway.run(['ls', `${host}/myapp`]);
      assert.equal(listed.code, answer === 'yes' ? 0 : 12);
    });
  }

  test('a secret is hidden without its line end and line by line; what is no text is refused', async (t) => {
    const slipway = await prepareCommandLine(t);
    const key = Buffer.alloc(32, 5);
    const run = async (secret: Buffer) => {
      const dir = await example(t, '127.0.0.1:1', PUSH, {
        'codeship.aes': `${key.toString('base64')}\n`,
        'codeship-services.yml': `app:\n  build:\n    image: 127.0.0.1:1/myapp\n    encrypted_args: {SECRET: "${encrypt(secret, key, 'jet')}"}\n`,
        Dockerfile: 'FROM scratch\nCOPY second-hidden /m\n',
      });
      return await slipway.run(['jet', 'steps', '--push', '--dir', dir]);
    };
    const lines = await run(Buffer.from('first-hidden\nsecond-hidden\n'));
    assert.notEqual(lines.code, 0);
    assert.match(lines.stderr, /\*\*\*/);
    assert.doesNotMatch(lines.stdout + lines.stderr, /second-hidden/);
    const rubbish = await run(Buffer.from('fffefdfc', 'hex'));
    assert.equal(rubbish.code, 2);
    assert.match(
      rubbish.stderr,
      /line 4: app.build.encrypted_args.SECRET holds no text.*another key/s,
    );
  });

  test('an image that would hold the key is warned of, unless .dockerignore leaves it out', async (t) => {
    const slipway = await prepareCommandLine(t);
    const host = await serve(t);
    const warned = async (copy: string, more = {}) => {
      const files = { Dockerfile: `FROM scratch\n${copy} /x/\n`, 'src/file': '', ...more };
      const key = Buffer.alloc(32).toString('base64');
      const dir = await example(t, host, PUSH, { 'codeship.aes': key, ...files });
      const { code, stderr } = await slipway.run(['jet', 'steps', '--push', '--dir', dir]);
      assert.equal(code, 0, stderr);
      return /the image of app holds the key codeship.aes: add it to .dockerignore/.test(stderr);
    };
    for (const copy of ['COPY .', 'ADD ./', 'COPY src codeship.aes', 'COPY *', 'COPY /']) {
      assert.ok(await warned(copy), copy);
    }
    assert.ok(!(await warned('COPY src')));
    assert.ok(!(await warned('COPY .', { '.dockerignore': 'codeship.*\n' })));
  });

  test('encrypted arguments reach the build, and nothing that is shown', async (t) => {
    const slipway = await prepareCommandLine(t);
    const host = await serve(t);
    const key = Buffer.alloc(32, 5);
    const dir = await example(t, host, PUSH, {
      Dockerfile: 'FROM scratch\nARG SECRET\nARG PLAIN\nENV SEEN=$SECRET-$PLAIN\nCOPY message /m\n',
      'codeship.aes': `${key.toString('base64')}\n`,
      'args.encrypted': encrypt(Buffer.from('SECRET=very-hidden\n'), key, 'jet'),
      'codeship-services.yml': `app:\n  build:\n    image: ${host}/myapp\n    args: {PLAIN: seen}\n    encrypted_args_file: args.encrypted\n`,
    });
    const { code, stdout, stderr } = await slipway.run(['jet', 'steps', '--push', '--dir', dir]);
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stdout + stderr, /very-hidden/);
    const config = await slipway.must(['inspect', '--config', `${host}/myapp`]).catch(() => []);
    const inspected =
      config.length > 0 ? config : await slipway.must(['image', 'inspect', `${host}/myapp`]);
    assert.match(inspected.join('\n'), /SEEN=very-hidden-seen|SEEN=\*\*\*-seen/);
  });
});

describe('credentials', { skip: missing('docker-registry', 'htpasswd') }, () => {
  const key = Buffer.alloc(32, 9);
  const auth = Buffer.from('me:pass-word-1').toString('base64');

  test('an encrypted docker config opens a registry, in both layouts, and stays in memory', async (t) => {
    const slipway = await prepareCommandLine(t);
    const { host } = await startDockerRegistry(t, { users: { me: 'pass-word-1' } });
    const layouts = {
      'config.json': { auths: { [host]: { auth } } },
      dockercfg: { [host]: { auth, email: 'me@example.com' } },
    };
    for (const [layout, json] of Object.entries(layouts)) {
      for (const format of ['jet', 'sealed'] as const) {
        const step = PUSH.replace('}', ', encrypted_dockercfg_path: cfg.encrypted}');
        const dir = await example(t, host, step.replace('HOST/myapp', 'HOST/myapp'), {
          'codeship.aes': `${key.toString('base64')}\n`,
          'cfg.encrypted': encrypt(Buffer.from(JSON.stringify(json)), key, format),
        });
        const { code, stdout, stderr } = await slipway.run([
          'jet',
          'steps',
          '--push',
          '--dir',
          dir,
        ]);
        assert.equal(code, 0, `${layout} ${format}: ${stderr}`);
        assert.doesNotMatch(stdout + stderr, new RegExp(`pass-word-1|${auth}`));
        await nothingHolds(slipway.env.HOME ?? '', ['pass-word-1', auth]);
        await nothingHolds(dir, ['pass-word-1', auth]);
      }
    }
  });

  /** How an encrypted docker config fails, by what is different about it. */
  const failures = (
    host: string,
  ): Readonly<Record<string, readonly [Record<string, string | undefined>, number, RegExp]>> => {
    const json = Buffer.from(JSON.stringify({ auths: { [host]: { auth } } }));
    const encrypted = (format: 'jet' | 'sealed') => encrypt(json, key, format);
    return {
      'a wrong key': [
        { 'codeship.aes': Buffer.alloc(32, 1).toString('base64') },
        2,
        /Failed to parse dockercfg.*\n.*another key/s,
      ],
      'no key': [{ 'codeship.aes': undefined }, 2, /No AES key provided/],
      'a file that is too short': [{ 'cfg.encrypted': 'AAAA' }, 2, /cfg.encrypted is too short/],
      'an empty file': [{ 'cfg.encrypted': '' }, 2, /cfg.encrypted is not encrypted/],
      'a file that is no base64': [
        { 'cfg.encrypted': JSON.stringify({ auths: { [host]: { auth } } }) },
        2,
        /cfg.encrypted is not encrypted: it is no base64/,
      ],
      'a file without its padding': [
        { 'cfg.encrypted': encrypt(Buffer.from('{"auths":{}} '), key, 'jet').replace(/=+$/, '') },
        2,
        /cfg.encrypted is not encrypted: it is no base64/,
      ],
      'a file that was cut off': [
        { 'cfg.encrypted': encrypted('jet').slice(0, 64) },
        2,
        /Failed to parse dockercfg/,
      ],
      'a huge file': [
        { 'cfg.encrypted': 'A'.repeat(5_000_000) },
        2,
        /encrypted_dockercfg_path can't be read: .* is longer than 4194304 bytes/,
      ],
      'a sealed file with another byte in its middle': [
        { 'cfg.encrypted': flipped(encrypted('sealed')) },
        2,
        /cfg.encrypted was changed, or is not encrypted with this key/,
      ],
      'no file': [{ 'cfg.encrypted': undefined }, 2, /encrypted_dockercfg_path can't be read/],
      'an entry for another registry': [
        {
          'cfg.encrypted': encrypt(
            Buffer.from(JSON.stringify({ auths: { 'quay.io': { auth } } })),
            key,
            'jet',
          ),
        },
        10,
        /cfg.encrypted holds no login for this registry/,
      ],
      'a password that is refused': [
        {
          'cfg.encrypted': encrypt(
            Buffer.from(
              JSON.stringify({
                auths: { [host]: { auth: Buffer.from('me:wrong-pass').toString('base64') } },
              }),
            ),
            key,
            'jet',
          ),
        },
        10,
        /(?:refused|credentials|log in)/i,
      ],
    };
  };

  test('an encrypted docker config that does not fit says why', async (t) => {
    const slipway = await prepareCommandLine(t);
    const { host } = await startDockerRegistry(t, { users: { me: 'pass-word-1' } });
    for (const [what, [files, exit, said]] of Object.entries(failures(host))) {
      const json = JSON.stringify({ auths: { [host]: { auth } } });
      const all = {
        'codeship.aes': `${key.toString('base64')}\n`,
        'cfg.encrypted': encrypt(Buffer.from(json), key, 'jet'),
        ...files,
      };
      const known = Object.entries(all).filter(([, text]) => text !== undefined);
      const step = PUSH.replace('}', ', encrypted_dockercfg_path: cfg.encrypted}');
      const dir = await example(t, host, step, Object.fromEntries(known));
      const { code, stderr } = await slipway.run(['jet', 'steps', '--push', '--dir', dir]);
      assert.equal(code, exit, `${what}: ${stderr}`);
      assert.match(stderr, said, what);
      assert.doesNotMatch(stderr, /pass-word-1|wrong-pass/);
    }
  });

  test("a service's own open the registry of the image that it is built on", async (t) => {
    const slipway = await prepareCommandLine(t);
    const { host } = await startDockerRegistry(t, { users: { me: 'pass-word-1' } });
    const json = JSON.stringify({ auths: { [host]: { auth } } });
    const encrypted = {
      'codeship.aes': `${key.toString('base64')}\n`,
      'cfg.encrypted': encrypt(Buffer.from(json), key, 'jet'),
    };
    const push = PUSH.replace('}', ', encrypted_dockercfg_path: cfg.encrypted}');
    const below = await example(t, host, push, encrypted);
    // Another home: what was built there is not in this one's store.
    await (await prepareCommandLine(t)).must(['jet', 'steps', '--push', '--dir', below]);
    const above = (own: string) =>
      example(t, host, push.replace('HOST/myapp', 'HOST/above'), {
        ...encrypted,
        Dockerfile: `FROM ${host}/myapp\nCOPY message /above\n`,
        'codeship-services.yml': `app:\n  build: {image: ${host}/above}\n${own}`,
      });
    const own = await above('  encrypted_dockercfg_path: cfg.encrypted\n');
    const { code, stderr } = await slipway.run(['jet', 'steps', '--push', '--dir', own]);
    assert.equal(code, 0, stderr);
    // That of a push step is for the push alone.
    const none = await slipway.run(['jet', 'steps', '--push', '--dir', await above('')]);
    assert.equal(none.code, 10, none.stderr);
  });

  test('a program of this machine writes them, and the path is all that it is told', async (t) => {
    const slipway = await prepareCommandLine(t);
    const { host } = await startDockerRegistry(t, { users: { me: 'pass-word-1' } });
    const json = JSON.stringify({ auths: { [host]: { auth } } });
    const dir = await example(t, host, PUSH, {
      'generate.sh': `[ $# = 2 ] && [ "$1" = 'a b' ] && cat >"$2" <<'END'\n${json}\nEND\n`,
    });
    const words = ['jet', 'steps', '--push', '--dockercfg-command'];
    const good = await slipway.run([...words, "sh generate.sh 'a b'", '--dir', dir]);
    assert.equal(good.code, 0, good.stderr);
    const none = await slipway.run([...words, 'true', '--dir', dir]);
    assert.equal(none.code, 20);
    assert.match(none.stderr, /true wrote no docker config/);
    const failed = await slipway.run([...words, 'sh -c "exit 3"', '--dir', dir]);
    assert.equal(failed.code, 20);
    assert.match(failed.stderr, /ended with status 3/);
    const saying = ['-c', '"echo log in first >&2; kill -9 $$"'].join(' ');
    const killed = await slipway.run([...words, `sh ${saying}`, '--dir', dir]);
    assert.equal(killed.code, 20);
    assert.match(killed.stderr, /was killed\n {2}hint: it said: log in first\n/);
  });

  test('the global options are for steps that name nothing themselves', async (t) => {
    const slipway = await prepareCommandLine(t);
    const { host } = await startDockerRegistry(t, { users: { me: 'pass-word-1' } });
    const json = JSON.stringify({ auths: { [host]: { auth } } });
    const dir = await example(t, host, PUSH, {
      'my.key': `${key.toString('base64')}\n`,
      cfg: encrypt(Buffer.from(json), key, 'jet'),
    });
    const words = ['jet', 'steps', '--push', '--dir', dir, '--key-path', path.join(dir, 'my.key')];
    const without = await slipway.run(words);
    assert.equal(without.code, 10);
    await slipway.must([...words, '--encrypted-dockercfg-path', 'cfg']);
  });
});

/** A sealed text with another byte in its middle. */
function flipped(sealed: string): string {
  const [header = '', body = ''] = sealed.split('\n');
  const bytes = Buffer.from(body, 'base64');
  const middle = bytes.byteLength >> 1;
  bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  return `${header}\n${bytes.toString('base64')}\n`;
}

/** Serves registries in this process; gives the host. */
async function serve(owner: Owner, options: RegistryOptions = {}): Promise<string> {
  const registry = await startRegistry(options);
  atEnd(owner, () => registry.close());
  return new URL(registry.url).host;
}

async function nothingHolds(folder: string, secrets: readonly string[]): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const text = (await readFile(path.join(entry.parentPath, entry.name))).toString('latin1');
    for (const secret of secrets) assert.ok(!text.includes(secret), `${entry.name} holds a secret`);
  }
}
