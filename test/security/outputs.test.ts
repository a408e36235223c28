import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { type Call, startFakeRegistry } from '../registry/fake-registry.ts';
import { tempDir } from '../rig/lifetime.ts';
import { argumentsFor, commandsOf, writeProject } from './commands.ts';
import { MARKERS, secretsIn } from './markers.ts';
import { row } from './rows.ts';
import { startTwoOrigins } from './two-origins.ts';
import { HOSTILE, UNSAFE } from './unsafe.ts';

row(
  'Output',
  'GO-2026-5039, the raw error texts of crane, oras and docker',
  'no text of a registry gets control of a terminal, or is taken for a command by a CI system',
  async (t) => {
    // What a header can't hold is left out by the server.
    const inHeader = HOSTILE.replace(/[^\t\x20-\x7e\x80-\xff]/g, '');
    const hostile = async (call: Call): Promise<true> => {
      await call.body();
      const status = { GET: 400, HEAD: 404, POST: 403, PUT: 409, PATCH: 500 }[call.method] ?? 400;
      const headers = {
        server: inHeader,
        warning: `299 - "${inHeader}"`,
        'www-authenticate': `Bearer realm="${inHeader}",error_description="${inHeader}"`,
        location: `/${inHeader}`,
        'x-request-id': inHeader,
      };
      call.answer(status, headers, {
        errors: [
          { code: HOSTILE, message: HOSTILE, detail: { [HOSTILE]: [HOSTILE] } },
          { code: 'DENIED', message: HOSTILE, detail: HOSTILE },
        ],
      });
      return true;
    };
    const { slipway, archive } = await startTwoOrigins(t);
    const { host } = await startFakeRegistry(t, hostile);
    const reports = await tempDir(t);
    const context = await tempDir(t);
    await writeProject(context, host);
    let all = '';
    for (const command of await commandsOf(slipway)) {
      const args = argumentsFor(command, { host, archive, context, reports });
      if (args === undefined || !args.some((arg) => arg.includes(host))) continue;
      const isOfRegistry = !/^(?:image )?(?:tag|push)$|^log/.test(command) || command === 'push';
      const patient = isOfRegistry ? ['--retries', '0'] : [];
      for (const style of isOfRegistry ? ['plain', 'json'] : ['']) {
        const progress = style === '' ? [] : ['--progress', style];
        const words = [...command.split(' '), '--debug', ...patient, ...progress, ...args];
        const { stdout, stderr } = await slipway.run(words);
        assert.doesNotMatch(stderr, /unknown option|missing required/, words.join(' '));
        assert.doesNotMatch(stdout, UNSAFE, words.join(' '));
        assert.doesNotMatch(stderr, UNSAFE, words.join(' '));
        all += stderr;
      }
    }
    assert.match(all, /set-output/, 'the text itself is told');
  },
);

row(
  'Output',
  'secrets in process arguments',
  'a password on the command line works with a warning, and stands in nothing that is written',
  async (t) => {
    const { slipway, origin, archive } = await startTwoOrigins(t);
    const plan = path.join(await tempDir(t), 'plan.json');
    const creds = `${MARKERS.username}:${MARKERS.password}`;
    const to = `${origin.host}/team/app:1`;
    const args = ['push', '--from', `docker-archive:${archive}`, to, '--creds', creds, '--debug'];
    for (const more of [[], ['--dry-run', '--resolve', '--plan-out', plan]]) {
      const { code, stdout, stderr } = await slipway.run([...args, ...more]);
      assert.equal(code, 0, stderr);
      assert.match(stderr, /warning: a password on the command line is insecure/);
      assert.deepEqual(secretsIn(stdout + stderr), []);
    }
    assert.deepEqual(secretsIn(await readFile(plan, 'utf8')), []);
  },
);

row(
  'Output',
  'CVE-2024-36127, CVE-2025-48374, CVE-2024-31216, CVE-2022-29810, GHSA-6w87-g839-9wv7, GHSA-prh4-vhfh-24mj',
  'a URL with a login is never repeated whole, wherever it was typed',
  async (t) => {
    const { slipway, archive } = await startTwoOrigins(t);
    const login = `${MARKERS.username}:${MARKERS.userinfo}`;
    for (const url of [
      `https://${login}@127.0.0.1:1/team/app`,
      `docker://${login}@127.0.0.1:1/team/app:1`,
      `${login}@127.0.0.1:1/team/app:1`,
      `oci:https://${login}@127.0.0.1:1/x`,
      `docker-archive:http://${login}@127.0.0.1:1/x.tar?token=${MARKERS.query}`,
    ]) {
      for (const args of [
        ['pull', url],
        ['push', '--from', url, '127.0.0.1:1/a:1'],
        ['push', '--from', `docker-archive:${archive}`, url],
        ['copy', url, url],
        ['inspect', url],
        ['ls', url],
        ['load', '-i', url],
        ['save', '-o', url, 'a'],
        ['tag', url, url],
        ['rmi', url],
        ['rm', url],
        ['doctor', url],
        ['logout', url],
        ['login', '-u', 'a', '-p', 'marker', url],
        ['index', 'create', url, url],
      ]) {
        const { code, stdout, stderr } = await slipway.run([...args, '--debug']);
        if (args[0] !== 'logout') assert.notEqual(code, 0, args.join(' '));
        assert.deepEqual(secretsIn(stdout + stderr), [], `${args.join(' ')}\n${stdout}${stderr}`);
      }
    }
  },
);

row(
  'Output',
  'CVE-2025-65965, CVE-2023-24827',
  'a secret of the environment that comes back from elsewhere is not printed',
  async (t) => {
    const { slipway } = await startTwoOrigins(t);
    let token = '';
    const { host } = await startFakeRegistry(t, (call) => {
      call.answer(403, {}, { errors: [{ code: 'DENIED', message: `not with ${token}, no` }] });
      return true;
    });
    for (const name of ['GITHUB_TOKEN', 'AWS_SECRET_ACCESS_KEY', 'CI_JOB_TOKEN', 'MY_PASSWORD']) {
      token = `marker of ${name}`;
      const { stderr } = await slipway.run(['ls', `${host}/a`, '-D'], undefined, { [name]: token });
      assert.match(stderr, /DENIED: not with \*\*\*, no/);
      assert.ok(!stderr.includes(token));
    }
  },
);
