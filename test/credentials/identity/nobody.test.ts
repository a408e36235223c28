import assert from 'node:assert/strict';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { tempDir } from '../../rig/lifetime.ts';
import { ask, askWith } from './clouds.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const HOSTS = [
  '123456789012.dkr.ecr.us-east-1.amazonaws.com',
  'public.ecr.aws',
  'gcr.io',
  'us-docker.pkg.dev',
  'registry.azurecr.io',
  'ghcr.io',
  'quay.io',
];

/** An environment that says nothing of a cloud, also where the tests run on a machine of one. */
async function nobody(t: Parameters<typeof tempDir>[0]) {
  return {
    HOME: await tempDir(t),
    AWS_EC2_METADATA_DISABLED: 'true',
    METADATA_SERVER_DETECTION: 'none',
    AZURE_TOKEN_CREDENTIALS: 'dev',
  };
}

test('where nothing says who we are nobody is asked, and each host is told of once', async (t) => {
  const { answers, warnings, connections } = await ask(await nobody(t), ...HOSTS, ...HOSTS);
  assert.deepEqual(new Set(answers.map((one) => JSON.stringify(one))), new Set(['{}']));
  assert.equal(warnings.length, HOSTS.length);
  for (const host of HOSTS)
    assert.ok(
      warnings.some((one) => one.endsWith(` for ${host}`)),
      host,
    );
  assert.deepEqual(connections, []);
});

test('files that name nobody lead to nobody, and no metadata service is asked', async (t) => {
  const env = await nobody(t);
  await mkdir(path.join(env.HOME, '.aws'));
  await writeFile(path.join(env.HOME, '.aws/config'), '[default]\nregion = us-east-1\n');
  const { answers, connections } = await ask(
    { ...env, AWS_EC2_METADATA_DISABLED: 'false' },
    ...HOSTS.slice(0, 2),
  );
  assert.deepEqual(answers, [{}, {}]);
  assert.deepEqual(connections, []);
});

test('a broken file of Google is named, and nothing of it is quoted', async (t) => {
  const env = await nobody(t);
  const file = path.join(env.HOME, 'credentials.json');
  await writeFile(file, '{"private_key": "marker-secret" oops');
  const { answers } = await ask({ ...env, GOOGLE_APPLICATION_CREDENTIALS: file }, 'gcr.io');
  assert.equal(answers[0]?.code, 'CONFIG_INVALID');
  assert.ok(answers[0]?.message?.includes(file));
  assert.ok(!JSON.stringify(answers).includes('marker'));
});

test('a library that is not installed is asked for by name, where an identity wants it', async (t) => {
  // The sources beside their own dependencies, as they are installed without optional ones.
  const folder = await tempDir(t);
  await cp(path.join(ROOT, 'src'), path.join(folder, 'src'), { recursive: true });
  const script = path.join(folder, 'test/credentials/identity/ask.ts');
  await cp(path.join(import.meta.dirname, 'ask.ts'), script);
  await writeFile(path.join(folder, 'package.json'), '{"type":"module"}');
  await mkdir(path.join(folder, 'node_modules'));
  const { dependencies } = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'));
  for (const name of Object.keys(dependencies)) {
    const target = path.join(ROOT, 'node_modules', name);
    const link = path.join(folder, 'node_modules', name);
    await mkdir(path.dirname(link), { recursive: true });
    await symlink(target, link);
  }
  const env = await nobody(t);
  const nothing = await askWith(script, env, HOSTS);
  assert.deepEqual(new Set(nothing.answers.map((one) => JSON.stringify(one))), new Set(['{}']));

  const somebody = {
    ...env,
    ...{ AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: 'x' },
    GOOGLE_APPLICATION_CREDENTIALS: path.join(folder, 'package.json'),
    ...{ AZURE_TENANT_ID: 't', AZURE_CLIENT_ID: 'c', AZURE_CLIENT_SECRET: 's' },
  };
  const { answers, connections } = await askWith(script, somebody, HOSTS.slice(0, 5));
  const codes = answers.map(({ code }) => code);
  assert.deepEqual(codes, Array(5).fill('CONFIG_INVALID'));
  const hints = answers.map(({ hint }) => hint ?? '');
  assert.match(hints[0] ?? '', /npm install @aws-sdk\/client-ecr @aws-sdk\/credential-providers /);
  assert.match(hints[1] ?? '', /npm install @aws-sdk\/client-ecr-public @aws-sdk\/credential-pro/);
  assert.match(hints[2] ?? '', /npm install google-auth-library /);
  assert.match(hints[4] ?? '', /npm install @azure\/identity /);
  assert.deepEqual(connections, []);
});
