import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseServer } from '../../src/cli/server.ts';
import { hostVariants, serverKey } from '../../src/credentials/server-key.ts';
import { SlipwayError } from '../../src/errors.ts';

/** What SERVER means: the key that the login is kept under, and all names that it is found by. */
const ROWS: readonly (readonly [server: string, key: string, found: readonly string[]])[] = [
  ['', 'https://index.docker.io/v1/', ['docker.io', 'index.docker.io', 'registry-1.docker.io']],
  ...[
    'docker.io',
    'index.docker.io',
    'https://index.docker.io/v1/',
    'http://index.docker.io',
    'index.docker.io/some/path',
    'docker.io/whatever',
    'registry-1.docker.io',
  ].map(
    (server) =>
      [
        server,
        'https://index.docker.io/v1/',
        ['docker.io', 'index.docker.io', 'registry-1.docker.io'],
      ] as const,
  ),
  ['foo.docker.io', 'foo.docker.io', ['foo.docker.io', 'foo.docker.io:443']],
  ['index.docker.io:8080', 'index.docker.io:8080', ['index.docker.io:8080']],
  ['localhost:1234', 'localhost:1234', ['localhost:1234']],
  ['127.0.0.1:1234', '127.0.0.1:1234', ['127.0.0.1:1234']],
  ['[::1]:1234', '[::1]:1234', ['[::1]:1234']],
  ['anything/whatever?u=v#f', 'anything', ['anything', 'anything:443']],
  ['https://anything?u=v', 'anything', ['anything', 'anything:443']],
  ['http://r.example.org:5000/v2/', 'r.example.org:5000', ['r.example.org:5000']],
  ['r.example.org:443', 'r.example.org:443', ['r.example.org:443', 'r.example.org']],
];

for (const [server, key, found] of ROWS) {
  test(`SERVER ${JSON.stringify(server)} is kept as ${key}`, () => {
    const host = parseServer(server);
    assert.equal(serverKey(host), key);
    assert.deepEqual([...hostVariants(host)].sort(), [...found].sort());
  });
}

for (const server of [
  'whatever://',
  '∞://',
  '∞',
  'https://',
  '://x',
  'ftp://r.example.org',
  'file:///etc/passwd',
  'user:pass@r.example.org',
  'https://user:pass@r.example.org/',
  'r.example.org:port',
  '-x',
  'a b',
  'a\nb',
  '127.1',
  '/v2/',
]) {
  test(`SERVER ${JSON.stringify(server)} is none`, () => {
    assert.throws(
      () => parseServer(server),
      (error) => error instanceof SlipwayError && error.code === 'USAGE',
    );
  });
}
