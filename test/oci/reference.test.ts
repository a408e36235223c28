import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SlipwayError } from '../../src/errors.ts';
import { digestOf } from '../../src/oci/digest.ts';
import {
  familiarReference,
  familiarRepository,
  formatReference,
  formatRepository,
  isHost,
  isRepositoryPath,
  isTag,
  parseReference,
  parseRepository,
} from '../../src/oci/reference.ts';
import { runs } from '../rig/long.ts';

const HEX = digestOf('').slice('sha256:'.length);

function refuses(text: string): void {
  assert.throws(
    () => parseReference(text),
    (error) =>
      error instanceof SlipwayError &&
      error.code === 'REFERENCE_INVALID' &&
      error.hint !== undefined,
    text,
  );
}

test('short names are those of Docker Hub', () => {
  for (const [text, whole] of Object.entries({
    debian: 'docker.io/library/debian:latest',
    'debian:12': 'docker.io/library/debian:12',
    'library/ubuntu': 'docker.io/library/ubuntu:latest',
    'index.docker.io/library/ubuntu': 'docker.io/library/ubuntu:latest',
    'docker.io/debian': 'docker.io/library/debian:latest',
    'library/foo/bar': 'docker.io/library/foo/bar:latest',
    'fooo/bar': 'docker.io/fooo/bar:latest',
    [`busybox:latest@sha256:${HEX}`]: `docker.io/library/busybox:latest@sha256:${HEX}`,
    [`busybox@sha256:${HEX}`]: `docker.io/library/busybox@sha256:${HEX}`,
    [`docker.io/${HEX}`]: `docker.io/library/${HEX}:latest`,
  })) {
    assert.equal(formatReference(parseReference(text)), whole, text);
  }
});

test('the first part is a host if it looks like one', () => {
  for (const [text, host, path] of [
    ['localhost/debian', 'localhost', 'debian'],
    ['localhost/fooo/bar', 'localhost', 'fooo/bar'],
    ['LOCALDOMAIN/debian', 'LOCALDOMAIN', 'debian'],
    ['Docker/docker', 'Docker', 'docker'],
    ['127.0.0.1:5000/debian', '127.0.0.1:5000', 'debian'],
    ['192.168.0.1:8/debian', '192.168.0.1:8', 'debian'],
    ['[fc00::1]:5000/docker', '[fc00::1]:5000', 'docker'],
    ['[::1]/docker', '[::1]', 'docker'],
    ['example.com:8000/privatebase', 'example.com:8000', 'privatebase'],
    ['test:5000/repo', 'test:5000', 'repo'],
    ['d/docker', 'docker.io', 'd/docker'],
    ['docker---rules/docker', 'docker.io', 'docker---rules/docker'],
    ['dock__er/docker', 'docker.io', 'dock__er/docker'],
  ] as const) {
    const { host: foundHost, path: foundPath } = parseReference(text);
    assert.deepEqual([foundHost, foundPath], [host, path], text);
  }
});

test('what docker refuses is refused, with a hint', () => {
  for (const text of [
    '',
    ':justtag',
    `@sha256:${HEX}`,
    'https://github.com/docker/docker',
    'docker/Docker',
    'Debian',
    '-docker',
    'docker///docker',
    '/docker',
    'docker/',
    '[fc00::1]',
    '[fc00::1]:5000',
    'fc00::1:5000/debian',
    '[fe80::1%eth0]:5000/debian',
    '[2001:db8:3:4::192.0.2.33]:5000/debian',
    HEX,
    'docker-/docker',
    '_docker/_docker',
    'dock..er/docker',
    'dock_.er/docker',
    'dock-.er/docker',
    'a___b/docker',
    `${'a/'.repeat(128)}a`,
    'app:',
    `app:${'t'.repeat(129)}`,
    'app:.hidden',
    'app@sha256:abc',
    `app@sha256:${HEX.toUpperCase()}`,
    `app@md5:${'a'.repeat(32)}`,
    `app@@sha256:${HEX}`,
    'app:a:b',
    'host:99999999/app',
    'host:65536/app',
  ]) {
    refuses(text);
  }
});

test('nothing that could leave its place in a URL or on a screen gets through', () => {
  for (const text of [
    '../app',
    'host.test/../app',
    'host.test/a/./b',
    'host.test/a%2fb',
    'host.test/a?b=c',
    'host.test/a#b',
    'host.test\\app',
    'user:secret@host.test/app',
    'host.test/app\n',
    '\u001b[31mapp',
    'app\u0000',
    'äpp',
    'host.test/app: tag',
    ' app',
  ]) {
    refuses(text);
  }
});

test('a host that a URL would turn into another one is refused', () => {
  for (const host of ['127.1', '0x7f.0.0.1', '0177.0.0.1', '1.2.3.4.5', '999.0.0.1', 'a.0x1']) {
    refuses(`${host}/app`);
    refuses(`${host}:5000/app`);
    assert.equal(isHost(host), false, host);
  }
  for (const host of ['[1::2::3]', '[:::]', '[12345::]', '[::1]:99999', 'a_b', 'a..b', 'a.']) {
    assert.equal(isHost(host), false, host);
  }
  for (const host of ['127.0.0.1', 'A.example:80', '[::ffff:7f00:1]:443', 'xn--mnchen-3ya.de']) {
    assert.equal(isHost(host), true, host);
  }
});

test('an error shows a long reference cut and with its control characters escaped', () => {
  assert.throws(
    () => parseReference(`\u001b]0;title\u0007${'x'.repeat(10_000)}`),
    (error) =>
      error instanceof SlipwayError &&
      error.message.length < 500 &&
      !/[\u0000-\u001f]/.test(error.message),
  );
});

test('without the default tag a name stays bare', () => {
  assert.equal(parseReference('debian', { defaultTag: false }).tag, undefined);
  assert.deepEqual(parseRepository('debian'), { host: 'docker.io', path: 'library/debian' });
  for (const text of ['debian:12', `debian@sha256:${HEX}`]) {
    assert.throws(() => parseRepository(text), { code: 'REFERENCE_INVALID' });
  }
});

test('names are shown as docker shows them', () => {
  for (const [text, shown] of Object.entries({
    'docker.io/library/ubuntu': 'ubuntu:latest',
    'docker.io/fooo/bar:1': 'fooo/bar:1',
    'library/foo/bar': 'library/foo/bar:latest',
    'localhost:5000/a:1': 'localhost:5000/a:1',
    'registry.test/library/a:1': 'registry.test/library/a:1',
  })) {
    assert.equal(familiarReference(parseReference(text)), shown);
  }
});

test('tags and paths have their limits', () => {
  assert.ok(isTag('a'.repeat(128)) && isTag('_x') && isTag('1.0-a_b'));
  for (const text of ['', '.a', '-a', 'a'.repeat(129), 'a/b', 'a b', 'ä']) assert.ok(!isTag(text));
  assert.ok(isRepositoryPath('a'.repeat(255)) && !isRepositoryPath('a'.repeat(256)));
});

const part = fc.stringMatching(/^[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}$/);
const host = fc.oneof(
  fc.constantFrom('localhost', '[::1]:5000', '10.0.0.1:5000', 'docker.io', 'REGISTRY'),
  fc.domain().map((name) => name.toLowerCase()),
  fc
    .tuple(fc.domain(), fc.integer({ min: 1, max: 65_535 }))
    .map(([name, port]) => `${name}:${port}`),
);
const reference = fc.record(
  {
    host,
    path: fc.array(part, { minLength: 2, maxLength: 4 }).map((parts) => parts.join('/')),
    tag: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/),
    digest: fc.string().map((text) => digestOf(text)),
  },
  { requiredKeys: ['host', 'path'], noNullPrototype: true },
);

test('whatever was formatted parses to the same reference', () => {
  fc.assert(
    fc.property(reference, (value) => {
      assert.deepEqual(parseReference(formatReference(value), { defaultTag: false }), value);
      assert.deepEqual(parseRepository(formatRepository(value)), {
        host: value.host,
        path: value.path,
      });
      const familiar = parseRepository(familiarRepository(value));
      assert.deepEqual(familiar, { host: value.host, path: value.path });
    }),
    runs(500, 20_000),
  );
});

test('a host that is accepted is the host of the URL that is made of it', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9a-fA-FxX.:[\]-]{1,20}$/), (text) => {
      if (!isHost(text)) return;
      const url = new URL(`https://${text}/v2/`);
      assert.equal(url.pathname, '/v2/');
      if (!text.startsWith('[')) {
        assert.equal(url.hostname, text.replace(/:\d+$/, '').toLowerCase());
      }
    }),
    runs(2_000, 100_000),
  );
});

test('no text makes the parser fail in another way than its own', () => {
  const near = fc.tuple(reference, fc.nat(), fc.string({ unit: 'binary', maxLength: 3 }));
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    near.map(([value, at, noise]) => {
      const whole = formatReference(value);
      const index = at % (whole.length + 1);
      return whole.slice(0, index) + noise + whole.slice(index + 1);
    }),
  );
  fc.assert(
    fc.property(text, (value) => {
      try {
        const parsed = parseReference(value);
        assert.ok(isHost(parsed.host) && isRepositoryPath(parsed.path));
        assert.deepEqual(parseReference(formatReference(parsed)), parsed);
      } catch (error) {
        assert.ok(error instanceof SlipwayError && error.code === 'REFERENCE_INVALID');
      }
    }),
    runs(2_000, 100_000),
  );
});
