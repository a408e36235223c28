import assert from 'node:assert/strict';
import { test } from 'node:test';
import { environmentProxies } from '../../src/http/proxies.ts';

const HTTPS = new URL('https://registry.example.org/');
const HTTP = new URL('http://registry.example.org:5000/');

function proxies(env: NodeJS.ProcessEnv, fallback = {}): readonly (string | undefined)[] {
  const find = environmentProxies(env, fallback);
  return [find(HTTPS)?.href, find(HTTP)?.href];
}

test('each scheme has its variable, in both spellings, and ALL_PROXY stands in for both', () => {
  assert.deepEqual(proxies({}), [undefined, undefined]);
  assert.deepEqual(proxies({ HTTPS_PROXY: 'http://a:1' }), ['http://a:1/', undefined]);
  assert.deepEqual(proxies({ http_proxy: 'http://a:1' }), [undefined, 'http://a:1/']);
  assert.deepEqual(proxies({ HTTPS_PROXY: 'http://a', https_proxy: 'http://b' }), [
    'http://a/',
    undefined,
  ]);
  assert.deepEqual(proxies({ HTTPS_PROXY: '', https_proxy: 'http://b' }), ['http://b/', undefined]);
  assert.deepEqual(proxies({ all_proxy: 'http://a', HTTP_PROXY: 'https://b' }), [
    'http://a/',
    'https://b/',
  ]);
});

test('a proxy without a scheme speaks http', () => {
  assert.deepEqual(proxies({ HTTPS_PROXY: 'user:pass@proxy:3128' }), [
    'http://user:pass@proxy:3128/',
    undefined,
  ]);
});

test("docker's settings fill what the environment leaves out", () => {
  const docker = { httpProxy: 'http://d:1', httpsProxy: 'http://d:2', noProxy: 'other.org' };
  assert.deepEqual(proxies({}, docker), ['http://d:2/', 'http://d:1/']);
  assert.deepEqual(proxies({ HTTPS_PROXY: 'http://a' }, docker), ['http://a/', 'http://d:1/']);
  assert.deepEqual(proxies({ NO_PROXY: 'example.org' }, docker), [undefined, undefined]);
  assert.deepEqual(proxies({}, { ...docker, noProxy: '.example.org' }), [undefined, undefined]);
});

test('loopback is never proxied', () => {
  const find = environmentProxies({ ALL_PROXY: 'http://proxy' });
  for (const host of ['localhost:5000', '127.0.0.1:5000', '[::1]:5000', '127.1', '0x7f000001']) {
    assert.equal(find(new URL(`http://${host}/`)), undefined, host);
    assert.equal(find(new URL(`https://${host}/`)), undefined, host);
  }
});

test('what is no http proxy is refused when it would be used, and never quoted', () => {
  for (const [text, message] of [
    ['socks5://me:secret-word@proxy:1080', /HTTPS_PROXY speaks SOCKS/],
    ['ftp://me:secret-word@proxy', /HTTPS_PROXY is neither http nor https/],
    ['http://me:secret-word@', /HTTPS_PROXY is no URL/],
    ['http://me:secret-word@proxy:99999', /HTTPS_PROXY is no URL/],
  ] as const) {
    const find = environmentProxies({ HTTPS_PROXY: text });
    assert.equal(find(HTTP), undefined);
    assert.throws(
      () => find(HTTPS),
      (error: Error & { code?: string; hint?: string }) => {
        assert.equal(error.code, 'CONFIG_INVALID');
        assert.match(error.message, message);
        assert.doesNotMatch(`${error.message} ${error.hint}`, /secret-word/);
        return true;
      },
    );
  }
});
