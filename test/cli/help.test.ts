import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EXIT_CODES } from '../../src/cli/exit-codes.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { prepareCommandLine } from './in-process.ts';

const { run } = await prepareCommandLine(THIS_FILE);

const COMMANDS = [
  'push',
  'copy',
  'pull',
  'load',
  'save',
  'build',
  'tag',
  'images',
  'rmi',
  'image',
  'image ls',
  'image rm',
  'image inspect',
  'image history',
  'image prune',
  'image load',
  'image save',
  'image tag',
  'image pull',
  'image push',
  'inspect',
  'ls',
  'verify',
  'rm',
  'run',
  'index',
  'index create',
  'index append',
  'index annotate',
  'index rm',
  'login',
  'logout',
  'doctor',
  'registry',
  'registry gc',
  'registry serve',
  'dimg',
  'dimg list',
  'dimg build',
  'dimg push',
  'dimg bp',
  'dimg spush',
  'dimg tag',
  'dimg stages',
  'dimg stage',
  'dimg cleanup',
  'dimg flush',
  'slug',
  'demo',
];

/** Values that options take; what isn't here takes any text. */
const VALUES: Readonly<Record<string, string>> = {
  '--token-realm': 'auto',
  '--idle-timeout': '5',
  '--helper-timeout': '5',
  '--identity': 'auto',
  '--retries': '1',
  '--min-age': '1h',
  '--progress': 'plain',
  '--platform': 'linux/amd64',
  '--compression': 'zstd',
  '--compression-level': '3',
  '--format': 'json',
  '--if-digest': `sha256:${'0'.repeat(64)}`,
  '--require': 'any',
  '--types': 'docker',
  '--jobs': '2',
  '--limit-rate': '5M',
  '--wait': '1',
  '--annotation': 'a=b',
  '--listen': '127.0.0.1:0',
  '--max-size': '5M',
  '--min-rate': '1k',
  '--filter': 'dangling=true',
  '--pull': 'never',
  '--engine': 'buildah',
  '--timestamps': '0',
  '--lock-timeout': '1',
  '--color': 'on',
};

/** Options of which a command takes only one: all are tried without the one, then the other. */
const EXCLUSIVE = ['--if-absent', '--if-digest'];

for (const command of COMMANDS) {
  test(`${command} --help shows itself on standard output`, async () => {
    const { code, stdout, stderr } = await run([...command.split(' '), '--help']);
    assert.equal(code, 0);
    assert.equal(stderr, '');
    assert.ok(stdout.startsWith(`Usage: slipway ${command.split(' ')[0]}`), stdout);
  });

  test(`${command} takes every option that its help names`, async () => {
    const words = command.split(' ');
    const help = (await run([...words, '--help'])).stdout;
    const options = [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)([ =]?[<[]?)/gm)]
      .map(([, name = '', value = '']) => ({ name, takesValue: value.includes('<') }))
      // Whatever else is said, these are all that is done.
      .filter(({ name }) => name !== '--help' && name !== '--version');
    for (const left of EXCLUSIVE) {
      const args = options
        .filter(({ name }) => name !== left)
        .flatMap(({ name, takesValue }) => (takesValue ? [name, VALUES[name] ?? 'x'] : [name]));
      // One that doesn't exist comes last: the parser gets there only if it knows all the others.
      const { code, stdout, stderr } = await run([...words, ...args, '--no-such-option']);
      assert.equal(code, EXIT_CODES.USAGE);
      assert.equal(stdout, '');
      assert.match(stderr, /^slipway: unknown option '--no-such-option'/);
      assert.match(stderr, new RegExp(`hint: slipway ${command} --help shows how it is used`));
    }
  });
}

test('the whole help lists all commands and the exit codes', async () => {
  for (const args of [['--help'], ['help'], ['-h'], []]) {
    const { code, stdout } = await run(args);
    assert.equal(code, 0);
    for (const command of COMMANDS)
      assert.match(stdout, new RegExp(`^ {2}${command.split(' ')[0]}\\b`, 'm'));
    for (const exitCode of new Set(Object.values(EXIT_CODES))) {
      assert.match(stdout, new RegExp(`^ +${exitCode}  \\S`, 'm'), `exit code ${exitCode}`);
    }
  }
});

test('the version is one line', async () => {
  for (const flag of ['--version', '-V']) {
    const { code, stdout, stderr } = await run([flag]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.match(stdout, /^slipway \d+\.\d+\.\d+\n$/);
  }
});

for (const { args, says } of [
  { args: ['frobnicate'], says: /there is no command "frobnicate"/ },
  { args: ['__proto__'], says: /there is no command "__proto__"/ },
  { args: ['constructor'], says: /there is no command "constructor"/ },
  { args: ['image', 'frobnicate'], says: /unknown command 'frobnicate'/ },
  { args: ['image'], says: /^Usage: slipway image/ },
  { args: ['registry'], says: /^Usage: slipway registry/ },
  { args: ['push'], says: /missing required argument 'REF'/ },
  { args: ['push', '--form', 'x', 'a'], says: /Did you mean --from\?/ },
  { args: ['push', '--platform', 'linux/amd64,,', 'a'], says: /an empty item in a list/ },
  {
    args: ['push', '--single', 'a', '--from', 'oci:.'],
    says: /--single goes with exactly one|oci/,
  },
  { args: ['tag', 'a'], says: /missing required argument 'TARGET'/ },
  { args: ['ls', 'a', 'b'], says: /too many arguments/ },
  { args: ['push', '--progress', 'fancy', 'a'], says: /Allowed choices are auto, tty, plain/ },
  { args: ['push', '--retries', '-1', 'a'], says: /not a whole number/ },
  { args: ['push', '--idle-timeout', '0', 'a'], says: /not a number above 0/ },
  { args: ['push', '--plain-http', 'a b', 'a'], says: /not a HOST/ },
  { args: ['push', '--tag', 'not a tag', 'a'], says: /not a tag/ },
  { args: ['push', '-a', 'a:1'], says: /tag can't be used with --all-tags/ },
  { args: ['push', `a@sha256:${'0'.repeat(64)}`], says: /cannot push to a digest/ },
  {
    args: ['tag', 'a', `b@sha256:${'0'.repeat(64)}`],
    says: /refusing to create a tag with a digest/,
  },
  {
    args: ['copy', 'a', `b@sha256:${'0'.repeat(64)}`],
    says: /no such local image|cannot push to a digest/,
  },
  { args: ['copy', 'a', 'frob://b'], says: /is not an image location/ },
  { args: ['load', 'a.tar'], says: /is not NAME=REF/ },
  { args: ['image', 'prune'], says: /no terminal to ask on/ },
  { args: ['images', '--filter', 'x'], says: /invalid filter/ },
]) {
  test(`wrong usage is told and ends with 2: ${args.join(' ')}`, async () => {
    const { code, stdout, stderr } = await run(args);
    assert.match(stderr, says);
    assert.equal(stdout, '');
    assert.doesNotMatch(stderr, /^ +at /m);
    const isMissingImage = /no such local image/.test(stderr);
    assert.equal(code, isMissingImage ? EXIT_CODES.NOT_FOUND : EXIT_CODES.USAGE);
  });
}
