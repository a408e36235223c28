import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printable } from '../../src/bytes/printable.ts';
import { isInside, isLoopback, sameOrigin } from '../../src/http/origin.ts';

const hostname = (host: string) => new URL(`https://${host}/`).hostname;

test('loopback is known by its spelling, never by what a name is looked up as', () => {
  for (const host of [
    'localhost',
    'LOCALHOST:5000',
    '127.0.0.1',
    '127.9.9.9',
    '[::1]:5000',
    '127.1',
    '0x7f.1',
  ]) {
    assert.equal(isLoopback(hostname(host)), true, host);
  }
  for (const host of [
    'localhost.example.org',
    '127.example.org',
    '127.0.0.1.example.org',
    '0.0.0.0',
    '[::]',
    '10.0.0.1',
    '[::ffff:127.0.0.1]',
  ]) {
    assert.equal(isLoopback(hostname(host)), false, host);
  }
});

test('addresses inside this machine or network are known in every spelling', () => {
  for (const host of [
    'localhost',
    '127.1',
    '0x7f.1',
    '2130706433',
    '0.0.0.0',
    '[::]',
    '[::1]',
    '10.1.2.3',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '169.254.169.254',
    '100.64.0.1',
    '[fe80::1]',
    '[fd00:ec2::254]',
    '[::ffff:10.0.0.1]',
    '[::ffff:169.254.169.254]',
  ]) {
    assert.equal(isInside(hostname(host)), true, host);
  }
  for (const host of [
    'example.org',
    '8.8.8.8',
    '172.32.0.1',
    '100.128.0.1',
    '192.169.0.1',
    '[2001:db8::1]',
    '10.example.org',
    'fd00.example.org',
  ]) {
    assert.equal(isInside(hostname(host)), false, host);
  }
});

test('an origin is scheme, host and port', () => {
  const same = (a: string, b: string) => sameOrigin(new URL(a), new URL(b));
  assert.equal(same('https://a/x', 'https://A:443/y?z'), true);
  for (const other of [
    'http://a/',
    'https://a:444/',
    'https://b/',
    'https://a.b/',
    'https://a./',
  ]) {
    assert.equal(same('https://a/', other), false, other);
  }
});

test('text from outside can neither rewrite a screen nor command a CI system', () => {
  assert.equal(
    printable('a\u001b[31mred\u0007\r\n::error::b\u009b2J\u202e'),
    'a[31mred ::error::b2J',
  );
  assert.equal(
    printable('x ##vso[task.setvariable] ##[set-env]'),
    'x # #vso[task.setvariable] # #[set-env]',
  );
  assert.equal(printable('x'.repeat(1_000)).length, 301);
});
