import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseNoProxy } from '../../src/http/no-proxy.ts';

/** A list, a host as a URL has it, a port, and whether it goes past the proxy. */
const CASES: readonly (readonly [string, string, string, boolean])[] = [
  ['', 'example.org', '443', false],
  ['*', 'example.org', '443', true],
  ['other.org, *', 'example.org', '443', true],
  ['example.org', 'example.org', '443', true],
  ['EXAMPLE.org', 'example.ORG', '443', true],
  ['example.org', 'example.org.', '443', true],
  ['example.org', 'registry.example.org', '443', true],
  ['example.org', 'notexample.org', '443', false],
  ['example.org', 'example.org.evil.test', '443', false],
  ['.example.org', 'example.org', '443', false],
  ['.example.org', 'a.b.example.org', '443', true],
  ['*.example.org', 'example.org', '443', false],
  ['*.example.org', 'a.example.org', '443', true],
  ['example.org:5000', 'example.org', '5000', true],
  ['example.org:5000', 'example.org', '443', false],
  ['.example.org:443', 'a.example.org', '443', true],
  ['bücher.example', 'xn--bcher-kva.example', '443', true],
  ['10.1.2.3', '10.1.2.3', '443', true],
  ['10.1.2.3', '10.1.2.30', '443', false],
  ['10.1.2.3:5000', '10.1.2.3', '5000', true],
  ['10.1.2.3:5000', '10.1.2.3', '443', false],
  ['10.0.0.0/8', '10.255.0.1', '443', true],
  ['10.0.0.0/8', '11.0.0.1', '443', false],
  ['10.0.0.0/8', '[::ffff:a00:1]', '443', true],
  ['10.0.0.0/33', '10.0.0.1', '443', false],
  ['10.0.0.0/8', '10.example.org', '443', false],
  ['fd00::/8', '[fd12::1]', '443', true],
  ['fd00::/8', '[fe80::1]', '443', false],
  ['fe80::1', '[fe80::1]', '443', true],
  ['FE80:0:0::1', '[fe80::1]', '443', true],
  ['[fe80::1]:5000', '[fe80::1]', '5000', true],
  ['[fe80::1]:5000', '[fe80::1]', '443', false],
  ['[fe80::1]', '[fe80::1]', '443', true],
  ['fe80::1%25eth0', '[fe80::1]', '443', false],
  // Loopback is never proxied, however it is spelled.
  ['', 'localhost', '5000', true],
  ['', '127.3.2.1', '5000', true],
  ['', '[::1]', '5000', true],
  ['', '[::ffff:7f00:1]', '5000', true],
  ['', 'localhost.example.org', '443', false],
  ['', '127.example.org', '443', false],
];

for (const [list, host, port, expected] of CASES) {
  test(`NO_PROXY=${list} ${expected ? 'covers' : 'does not cover'} ${host}:${port}`, () => {
    assert.equal(parseNoProxy(list)(host, port), expected);
  });
}

test('no list is an error, and only a star covers everything', () => {
  const text = fc.string({ unit: fc.constantFrom(...'.:*/[]%,- a0f1é') });
  fc.assert(
    fc.property(text, (list) => {
      const covers = parseNoProxy(list)('registry.example.net', '443');
      assert.equal(
        covers,
        list.split(',').some((entry) => entry.trim() === '*'),
      );
    }),
  );
});
