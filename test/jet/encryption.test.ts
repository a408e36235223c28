import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { isSlipwayError } from '../../src/errors.ts';
import { dockercfgLogins } from '../../src/jet/dockercfg.ts';
import { decrypt, encrypt } from '../../src/jet/encryption.ts';
import { prepareCommandLine } from '../cli/in-process.ts';
import { tempDir } from '../rig/lifetime.ts';
import { mustRun } from '../rig/programs.ts';
import { writeProject } from './project.ts';

/** The public sample of Codeship's examples: key, encrypted files and what they hold. */
const KEY = 'E6kwQsGsIGMWrDQYmfnUcnHb+Yq2slOHH4/IBkVzaHo=';
const SAMPLES = [
  [
    '6UU+0y1kdnR2CqcxLQ9WYwBtv0EjbbGfKLw994VzfZC7XA27dFIZygdU8ylr236OtuQ+PA/PUE11HPObTgWewgAl3zcIxvJKKEJcUAbnn3n0Ns0zw291nA8/EergAWKoog8P',
    '# jet encrypt --key-path=key.key environment environment.encrypted\nFOO=bar\nBAZ=bat\n',
  ],
  ['VGk1M7h7iKxKN+h4QGVx0WLEDw==', 'bat'],
  ['29WKeq+XCfn8TOTMh4yaqWoeoQ==', 'bar'],
] as const;

const key = Buffer.from(KEY, 'base64');
const isInvalid = (error: unknown) => isSlipwayError(error, 'CONFIG_INVALID');

describe('formats', () => {
  test("Codeship's own samples are read", () => {
    for (const [encrypted, plain] of SAMPLES) {
      assert.equal(decrypt(encrypted, key, 'it').toString(), plain);
      assert.equal(decrypt(`${encrypted}\r\n`, key, 'it').toString(), plain);
    }
  });

  test('what is encrypted comes back, and never twice the same', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom('jet', 'sealed'), (bytes, format) => {
        const encrypted = encrypt(bytes, key, format);
        assert.deepEqual(decrypt(encrypted, key, 'it'), Buffer.from(bytes));
        assert.notEqual(encrypt(bytes, key, format), encrypted);
      }),
    );
  });

  test('what jet writes has no header and one line', () => {
    assert.match(encrypt(Buffer.from('text'), key, 'jet'), /^[A-Za-z0-9+/]{27}=$/);
  });

  test('a sealed text that was changed in any bit is refused, and one for another key', () => {
    const sealed = encrypt(Buffer.from('secret text'), key, 'sealed');
    const [header = '', body = ''] = sealed.split('\n');
    const bytes = Buffer.from(body, 'base64');
    for (let bit = 0; bit < bytes.byteLength * 8; bit += 1) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const text = `${header}\n${changed.toString('base64')}\n`;
      assert.throws(() => decrypt(text, key, 'it'), isInvalid);
    }
    assert.throws(() => decrypt(sealed, Buffer.alloc(32, 7), 'it'), /not encrypted with this key/);
    assert.throws(() => decrypt(`${header}\n${body.slice(0, 20)}`, key, 'it'), isInvalid);
  });

  test('a docker config that was changed in any byte is refused or is another one, and never shown', async () => {
    const words = { username: 'me-hidden', password: 'pass-hidden' };
    const json = { auths: { 'registry.example': words } };
    const encrypted = Buffer.from(encrypt(Buffer.from(JSON.stringify(json)), key, 'jet'), 'base64');
    for (let at = 0; at < encrypted.byteLength; at += 1) {
      const changed = Buffer.from(encrypted);
      changed[at] = (changed[at] ?? 0) ^ 0x55;
      try {
        const find = dockercfgLogins(decrypt(changed.toString('base64'), key, 'it'), 'it');
        assert.notDeepEqual(await find({ host: 'registry.example', path: 'a' }), words);
      } catch (error) {
        assert.ok(isInvalid(error), String(error));
        assert.doesNotMatch(`${error} ${JSON.stringify(error)}`, /hidden/);
      }
    }
  });

  test("jet's unknown later format, plain text and rubbish are refused, and not shown", () => {
    assert.throws(() => decrypt('codeship:v2\nAAAA', key, 'it'), /codeship:v2.*described nowhere/);
    for (const text of ['', 'FOO=hidden', '{"auths":{}}', 'AAAA', 'other:v9\nAAAA']) {
      assert.throws(
        () => decrypt(text, key, 'it'),
        (error) => {
          assert.ok(isInvalid(error));
          assert.doesNotMatch(String(error), /hidden/);
          return true;
        },
      );
    }
  });
});

describe('jet generate, encrypt and decrypt', () => {
  test('a key is made for its owner alone, and never over another', async (t) => {
    const slipway = await prepareCommandLine(t);
    const dir = await tempDir(t);
    const file = path.join(dir, 'codeship.aes');
    assert.deepEqual(await slipway.must(['jet', 'generate', '--dir', dir]), [file]);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    const made = await readFile(file, 'utf8');
    assert.equal(Buffer.from(made, 'base64').byteLength, 32);
    const again = await slipway.run(['jet', 'generate', '--dir', dir]);
    assert.equal(again.code, 2);
    assert.match(again.stderr, /is there already/);
    assert.equal(await readFile(file, 'utf8'), made);
  });

  for (const format of ['jet', 'sealed']) {
    test(`a file goes there and back in the format ${format}`, async (t) => {
      const slipway = await prepareCommandLine(t);
      const dir = await tempDir(t);
      const at = (name: string) => path.join(dir, name);
      await slipway.must(['jet', 'generate', '--key-path', at('my.key')]);
      const key = ['--key-path', at('my.key')];
      await writeFile(at('plain'), 'A=secret\n');
      const words = ['--format', format, ...key];
      await slipway.must(['jet', 'encrypt', ...words, at('plain'), at('encrypted')]);
      const text = await readFile(at('encrypted'), 'utf8');
      assert.equal(text.startsWith('slipway:v1\n'), format === 'sealed');
      await slipway.must(['jet', 'decrypt', ...key, at('encrypted'), at('back')]);
      assert.equal(await readFile(at('back'), 'utf8'), 'A=secret\n');
      assert.equal((await stat(at('back'))).mode & 0o777, 0o600);
      const piped = await slipway.program.run(['jet', 'decrypt', ...key, '-', '-'], {
        stdin: text,
      });
      assert.deepEqual(piped, { code: 0, stdout: 'A=secret\n', stderr: '' });
    });
  }

  test('without a key, with a file that is none, and with a wrong one it says so', async (t) => {
    const slipway = await prepareCommandLine(t);
    const dir = await tempDir(t);
    const at = (name: string) => path.join(dir, name);
    await writeFile(at('encrypted'), SAMPLES[0][0]);
    const none = await slipway.run(['jet', 'decrypt', '--dir', dir, at('encrypted'), at('plain')]);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /No AES key provided/);
    await writeFile(at('codeship.aes'), 'not a key but hidden text\n', { mode: 0o600 });
    const wrong = await slipway.run(['jet', 'decrypt', '--dir', dir, at('encrypted'), at('plain')]);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /holds no AES key/);
    assert.doesNotMatch(wrong.stderr, /hidden/);
    await writeFile(at('codeship.aes'), `${Buffer.alloc(32, 1).toString('base64')}\n`);
    const other = await slipway.run(['jet', 'decrypt', '--dir', dir, at('encrypted'), at('plain')]);
    assert.equal(other.code, 0);
    assert.match(other.stderr, /no text: the key may be a wrong one/);
  });

  test('the key of jet before 0.8.0 is found where a project has none', async (t) => {
    const slipway = await prepareCommandLine(t);
    const dir = await tempDir(t);
    const old = path.join(slipway.env.HOME ?? '', '.codeship/keys/aes/key.key');
    await mkdir(path.dirname(old), { recursive: true });
    await writeFile(old, KEY, { mode: 0o600 });
    const [encrypted, plain] = SAMPLES[0];
    await writeFile(path.join(dir, 'in'), encrypted);
    const words = ['jet', 'decrypt', '--dir', dir, path.join(dir, 'in'), '-'];
    assert.equal((await slipway.run(words)).stdout, plain);
    await writeFile(path.join(dir, 'codeship.aes'), Buffer.alloc(32).toString('base64'));
    assert.notEqual((await slipway.run(words)).stdout, plain);
  });

  test('a key or plain file that git keeps or others can read is warned of', async (t) => {
    const slipway = await prepareCommandLine(t);
    const dir = await tempDir(t);
    const at = (name: string) => path.join(dir, name);
    const git = (...args: string[]) => mustRun('git', ['-C', dir, ...args], { env: slipway.env });
    await git('init', '-q');
    const made = await slipway.run(['jet', 'generate', '--dir', dir]);
    assert.match(made.stderr, /add codeship.aes to .gitignore/);
    await writeFile(at('plain'), 'A=secret\n');
    const words = ['jet', 'encrypt', '--dir', dir, at('plain'), at('encrypted')];
    assert.equal((await slipway.run(words)).stderr, '');
    await git('add', 'plain', 'codeship.aes');
    await chmod(at('codeship.aes'), 0o644);
    const { code, stderr } = await slipway.run(words);
    assert.equal(code, 0);
    assert.match(stderr, /codeship.aes can be read by others/);
    assert.match(stderr, /the key .*codeship.aes is kept by git/);
    assert.match(stderr, /the plain file .*plain is kept by git/);
  });

  test('validate and steps warn of secret files of the project that git keeps', async (t) => {
    const slipway = await prepareCommandLine(t);
    const files = { 'codeship.aes': KEY, env: 'A=secret', 'env.encrypted': 'x', cfg: '{}' };
    const dir = await writeProject(t, {
      ...files,
      'codeship-services.yml':
        'app: {build: {image: quay.io/x/app}, encrypted_env_file: env.encrypted}',
      'codeship-steps.yml':
        '- {service: app, type: push, image_name: quay.io/x/app, dockercfg_path: cfg}',
    });
    const git = (...args: string[]) => mustRun('git', ['-C', dir, ...args], { env: slipway.env });
    await git('init', '-q');
    for (const command of ['validate', 'steps']) {
      const { stderr } = await slipway.run(['jet', command, '--dir', dir]);
      assert.doesNotMatch(stderr, /kept by git/);
    }
    await git('add', ...Object.keys(files));
    for (const command of ['validate', 'steps']) {
      const { code, stderr } = await slipway.run(['jet', command, '--dir', dir]);
      assert.equal(code, 0, stderr);
      assert.match(stderr, /the key .*\/codeship.aes is kept by git/);
      assert.match(stderr, /the docker config .*\/cfg is kept by git/);
      assert.match(stderr, /the plain file .*\/env is kept by git/);
      assert.equal(stderr.split('kept by git').length, 4);
    }
  });
});
