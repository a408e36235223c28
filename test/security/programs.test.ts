import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { prepareCommandLine } from '../cli/in-process.ts';
import { type Call, startFakeRegistry } from '../registry/fake-registry.ts';
import { type Owner, tempDir } from '../rig/lifetime.ts';
import { MAIN } from '../rig/main.ts';
import { type RunResult, run as runProgram } from '../rig/programs.ts';
import { startProxy } from '../rig/proxy.ts';
import { row } from './rows.ts';
import { assertRefused } from './two-origins.ts';

const SECRET = 'marker-helper-6Wu';

/** A registry that wants a login, and a helper that may know it. */
async function scene(owner: Owner, helper: { readonly name?: string; readonly script?: string }) {
  const slipway = await prepareCommandLine(owner);
  const registry = await startFakeRegistry(owner, basic);
  // Whatever isn't loopback would come by here.
  const proxy = await startProxy(owner);
  const folder = path.join(await tempDir(owner), 'bin');
  await mkdir(folder, { mode: 0o755 });
  const ran = path.join(folder, 'ran');
  const { name = 'marker', script } = helper;
  if (script !== undefined) {
    const text = `#!/bin/sh\necho "$0 $*" >> ${ran}\ncat >> ${ran}\n${script}\n`;
    await writeFile(path.join(folder, `docker-credential-${name}`), text, { mode: 0o755 });
  }
  const config = slipway.env.DOCKER_CONFIG ?? '';
  await mkdir(config, { recursive: true });
  await writeFile(path.join(config, 'config.json'), JSON.stringify({ credsStore: name }), {
    mode: 0o600,
  });
  const run = async (env: Record<string, string> = {}, ...more: string[]): Promise<RunResult> => {
    const proxies = { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url };
    const searchPath = `${folder}:/usr/bin:/bin`;
    const args = ['ls', `${registry.host}/team/app`, '--retries', '0', '--debug', ...more];
    const result = await slipway.run(args, undefined, { PATH: searchPath, ...proxies, ...env });
    assert.ok(!(result.stdout + result.stderr).includes(SECRET), result.stderr);
    assert.equal(proxy.requests.length, 0, 'no other host is asked');
    return result;
  };
  return { run, folder, registry, ran: () => readFile(ran, 'utf8').catch(() => '') };
}

function basic(call: Call): boolean {
  if (call.request.headers.authorization !== undefined) return false;
  call.answer(401, { 'www-authenticate': 'Basic realm="here"' });
  return true;
}

const GOOD = `printf '{"Username":"me","Secret":"${SECRET}"}'`;

row(
  'Credentials',
  'CVE-2021-41092, GHSA-99pg-grm5-qq3v',
  'where a helper is missing or fails, the command fails, and no other registry or login is tried',
  async (t) => {
    for (const script of [
      undefined,
      'exit 1',
      `echo ${SECRET}; exit 1`,
      `echo ${SECRET}`,
      'kill -9 $$',
    ]) {
      const { run, registry } = await scene(t, script === undefined ? {} : { script });
      const result = await run();
      assert.ok([2, 20].includes(result.code), result.stderr);
      assert.match(result.stderr, /docker-credential-marker/);
      assert.ok(registry.seen.every(({ headers }) => headers.authorization === undefined));
    }
  },
);

row(
  'Programs',
  'the helper name of every peer',
  'the name of a helper is checked, and it is found in absolute folders only',
  async (t) => {
    for (const name of [
      '../../x',
      'a b',
      'x;y',
      '$(id)',
      '-x',
      'X',
      '/bin/sh',
      'a'.repeat(200),
      '..',
    ]) {
      const { run, registry } = await scene(t, { name });
      assertRefused(await run(), 2, /a name that none can have|names? .* can/);
      assert.ok(registry.seen.every(({ headers }) => headers.authorization === undefined));
    }
    const { run, folder, ran } = await scene(t, { script: GOOD });
    const relative = path.relative(process.cwd(), folder);
    assertRefused(
      await run({ PATH: `:.:${relative}:/usr/bin:/bin` }),
      2,
      /docker-credential-marker/,
    );
    assert.equal(await ran(), '');
    assert.equal((await run()).code, 0);
    assert.match(await ran(), /^\/\S+\/docker-credential-marker get\n127\.0\.0\.1:\d+$/m);
  },
);

row(
  'Programs',
  'CVE-2019-15752, CVE-2025-15558',
  'a helper that others can write is not run',
  async (t) => {
    const { run, folder, ran } = await scene(t, { script: GOOD });
    await chmod(folder, 0o777);
    assertRefused(await run(), 2, /others can write/);
    await chmod(folder, 0o755);
    await chmod(path.join(folder, 'docker-credential-marker'), 0o777);
    assertRefused(await run(), 2, /others can write/);
    assert.equal(await ran(), '');
    await chmod(path.join(folder, 'docker-credential-marker'), 0o755);
    assert.equal((await run()).code, 0);
  },
);

row(
  'Programs',
  'CVE-2020-5260, CVE-2024-50349, CVE-2024-52006',
  'the name of a server brings no further line to a helper',
  async (t) => {
    const { run, ran, registry } = await scene(t, { script: GOOD });
    await run();
    const lines = (await ran()).trimEnd().split('\n');
    assert.equal(lines.length, 2, 'its arguments, and one line of input');
    assert.equal(lines[1], registry.host);
    const slipway = await prepareCommandLine(t);
    for (const host of [
      'a.test\nhost=b.test',
      'a.test\rb',
      'a.test%0ab',
      'a.test%0d',
      'a.test\u0000',
    ]) {
      const args = ['ls', `${host}/team/app`, '--retries', '0'];
      assertRefused(await slipway.run(args), 2, /invalid reference/);
    }
  },
);

row(
  'Programs',
  'helpers without end',
  'a helper that prints or waits without end is ended, and nothing of it is shown',
  async (t) => {
    const endless = await scene(t, {
      script: `while :; do echo '${SECRET}${'x'.repeat(1_000)}'; done`,
    });
    assertRefused(await endless.run(), 20, /docker-credential-marker/);
    const hanging = await scene(t, { script: 'sleep 600' });
    assertRefused(await hanging.run({}, '--helper-timeout', '1'), 20, /docker-credential-marker/);
  },
);

row(
  'Programs',
  'CVE-2019-13139, CVE-2024-3817, CVE-2026-55887, CVE-2026-40938',
  'a value that begins with a dash is never taken for an option',
  async (t) => {
    const slipway = await prepareCommandLine(t);
    for (const args of [
      ['pull', '--', '-o'],
      ['push', '--', '--upload-pack=x'],
      ['copy', '--', '-x', 'oci:y'],
      ['tag', '--', '-a', 'b'],
      ['inspect', '--', '-v'],
    ]) {
      assertRefused(await slipway.run(args), 2, /invalid reference|not an image location/);
    }
  },
);

row(
  'Programs',
  'CVE-2022-25914, CVE-2024-27980, CVE-2024-36138, CVE-2026-33414',
  'nothing is ever run by a shell',
  async (t) => {
    const slipway = await prepareCommandLine(t);
    const folder = await tempDir(t);
    const canary = path.join(folder, 'canary');
    for (const value of [
      `$(touch ${canary})`,
      `\`touch ${canary}\``,
      `;touch ${canary};`,
      `|touch ${canary}`,
    ]) {
      for (const args of [
        ['pull', value],
        ['load', '-i', value],
        ['push', '--from', `oci:${value}`, 'localhost:1/a'],
      ]) {
        const { code } = await slipway.run([...args, '--retries', '0']);
        assert.equal(code, 2);
      }
    }
    await assert.rejects(readFile(canary));
  },
);

row(
  'Programs',
  'nodejs/node#54232',
  'what an env file holds for a container is not obeyed by this program',
  async (t) => {
    const { env } = await prepareCommandLine(t);
    const folder = await tempDir(t);
    const canary = path.join(folder, 'canary');
    const code = path.join(folder, 'code.cjs');
    await writeFile(code, `require('node:fs').writeFileSync(${JSON.stringify(canary)}, '')`);
    const file = path.join(folder, 'app.env');
    await writeFile(file, `NODE_OPTIONS="--require ${code}"\n`);
    const PATH = `${path.dirname(process.execPath)}:/usr/bin:/bin`;
    const start = (given: string) =>
      runProgram(MAIN, ['run', '--env-file', given, 'app', 'true'], { env: { ...env, PATH } });
    assertRefused(await start(file), 21, /no engine answers at/);
    await assert.rejects(readFile(canary), 'nothing of the file was run');
    assertRefused(await start(path.join(folder, 'none')), 2, /no such file/);
    assertRefused(await start('/dev/zero'), 17, /longer than 4194304 bytes/);
  },
  { skip: process.env.SLIPWAY_TEST_PROGRAM === undefined ? 'needs the built command' : false },
);
