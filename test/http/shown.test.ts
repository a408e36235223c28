import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isSecretField, showHeaders, showText, showUrl } from '../../src/http/shown.ts';
import { noVectors, vectorRows } from '../oci/vectors.ts';
import { runs } from '../rig/long.ts';

const URLS: readonly (readonly [url: string, shown: string])[] = [
  [
    'https://r.example.org/v2/a/tags/list?n=5&last=b',
    'https://r.example.org/v2/a/tags/list?n=5&last=b',
  ],
  [
    'https://r.example.org/v2/a/blobs/uploads/1?_state=s3cret&digest=sha256%3Aab',
    'https://r.example.org/v2/a/blobs/uploads/1?_state=***&digest=sha256%3Aab',
  ],
  [
    'https://r.example.org/v2/a/blobs/uploads/?mount=sha256:a&from=b/c',
    'https://r.example.org/v2/a/blobs/uploads/?mount=sha256:a&from=b/c',
  ],
  [
    'https://b.s3.example.org/x?X-Amz-Signature=abc&X-Amz-Credential=d',
    'https://b.s3.example.org/x?X-Amz-Signature=***&X-Amz-Credential=***',
  ],
  [
    'https://auth.example.org/token?service=r&scope=repository:a:pull&account=me',
    'https://auth.example.org/token?service=r&scope=repository:a:pull&account=***',
  ],
  ['https://me:pass@r.example.org/v2/', 'https://***@r.example.org/v2/'],
  ['https://ghp_token@r.example.org/', 'https://***@r.example.org/'],
  ['https://:pass@r.example.org/', 'https://***@r.example.org/'],
  ['https://r.example.org/#access_token=abc', 'https://r.example.org/'],
  ['https://r.example.org/?Digest=abc', 'https://r.example.org/?Digest=***'],
  ['https://r.example.org/?abc', 'https://r.example.org/?***'],
  ['https://r.example.org/?a=&b=1', 'https://r.example.org/?a=&b=***'],
  ['https://r.example.org/?a=1;digest=2', 'https://r.example.org/?a=***'],
  ['http://[bad/?token=abc', 'http://[bad/?***'],
  ['//me:pass@host/x', '//***@host/x'],
  ['/v2/a?token=abc', '/v2/a?***'],
  ['socks5://me:pass@proxy:1080', 'socks5://***@proxy:1080'],
];

for (const [url, shown] of URLS) {
  test(`${url} is shown as ${shown}`, () => assert.equal(showUrl(url), shown));
}

test('of a URL no password, fragment or unknown query value is shown', () => {
  const word = (role: string) =>
    fc.stringMatching(/^[A-Za-z0-9]{8,20}$/).map((text) => `${role}-${text}`);
  fc.assert(
    fc.property(
      word('pw'),
      word('sig'),
      word('frag'),
      word('path'),
      (password, signature, fragment, path) => {
        const url = `https://user:${password}@host/${path}?X-Sig=${signature}&n=1#${fragment}`;
        for (const shown of [showUrl(url), showUrl(new URL(url)), showText(`see ${url}, please`)]) {
          for (const secret of [password, signature, fragment]) assert.ok(!shown.includes(secret));
          assert.ok(shown.includes(`/${path}?X-Sig=***&n=1`), shown);
        }
      },
    ),
    runs(100, 5_000),
  );
});

test('URLs in a sentence are shown like others, and the sentence stays', () => {
  const text =
    'GET https://b.example.org/x?sig=abc: 403 (https://me:pw@b.example.org). Ask a@b.org.';
  assert.equal(
    showText(text),
    'GET https://b.example.org/x?sig=***: 403 (https://***@b.example.org/). Ask a@b.org.',
  );
  const plain = 'docker://localhost:5000/a@sha256:0 is at http://localhost:5000.';
  assert.equal(showText(plain), plain);
});

test('a login before a host is hidden without a scheme too, and names of images stay', () => {
  assert.equal(showText('"me:pass@host:5000/app" is no name'), '"***@host:5000/app" is no name');
  for (const harmless of [
    'app:1@sha256:0123',
    'localhost:5000/app:1@sha512:0123',
    'host/app: 1 is sha256:01',
    'mail me@example.org: thanks',
    'it has the form http://[USER:PASSWORD@]HOST:PORT',
    'or http://USER:PASSWORD@HOST:PORT, say',
    'a reference is [HOST[:PORT]/]PATH[:TAG][@DIGEST]',
  ]) {
    assert.equal(showText(harmless), harmless);
  }
});

test('headers that are quoted in a text are hidden', () => {
  for (const text of [
    'Authorization: Basic bWU6cHc=',
    'authorization=Bearer bWU6cHc',
    '{"Proxy-Authorization":"Basic bWU6cHc="}',
    'got Bearer bWU6cHcbWU6cHcbWU6cHc',
  ]) {
    assert.doesNotMatch(showText(text), /bWU6/, text);
  }
  const harmless = 'basic authentication needs a bearer token';
  assert.equal(showText(harmless), harmless);
});

test('only headers on the list are shown, and URLs in them as everywhere', () => {
  const headers: Record<string, string[]> = {
    authorization: ['Basic c2VjcmV0'],
    cookie: ['a=secret'],
    'set-cookie': ['a=secret'],
    'x-api-key': ['secret'],
    referer: ['https://x/?sig=secret'],
    'content-type': ['text/plain'],
    location: ['/v2/a/blobs/uploads/1?_state=secret', 'https://b/?sig=secret'],
    link: ['</v2/a/tags/list?n=1&sig=secret>; rel="next"; title="secret"'],
    'www-authenticate': [
      'Bearer realm="https://me:secret@auth/token?key=secret",service="r",scope="repository:a:pull",other="secret"',
    ],
  };
  const shown = showHeaders((name) => headers[name] ?? [], new URL('https://r/v2/a'));
  assert.deepEqual(shown, {
    'content-type': 'text/plain',
    location: 'https://r/v2/a/blobs/uploads/1?_state=***, https://b/?sig=***',
    link: '<https://r/v2/a/tags/list?n=1&sig=***>; rel="next"',
    'www-authenticate':
      'bearer realm="https://***@auth/token?key=***",service="r",scope="repository:a:pull"',
  });
});

test('fields of JSON that hold secrets are known however they are written', () => {
  for (const name of [
    'token',
    'access_token',
    'refreshToken',
    'IdentityToken',
    'PASSWORD',
    'client-secret',
    'Secret',
    'auth',
    'Authorization',
    'api_key',
    'AWS_SECRET_ACCESS_KEY',
    'GITHUB_TOKEN',
  ])
    assert.ok(isSecretField(name), name);
  for (const name of ['code', 'message', 'detail', 'Tag', 'author', 'digest', 'name'])
    assert.ok(!isSecretField(name), name);
});

test('URLs of the public table keep no secret', { skip: noVectors }, () => {
  interface Row {
    readonly doc: string;
    readonly request: {
      readonly host: { readonly Host: string; readonly Scheme: string };
      readonly path: string;
    };
  }
  const rows = vectorRows<Row>('redact', 'containerd/containerd', 'TestRequestSanitize', {
    fields: ['doc'],
  });
  assert.ok(rows.length >= 9);
  for (const { doc, request } of rows) {
    const url = `${request.host.Scheme}://${request.host.Host}${request.path}`;
    assert.doesNotMatch(showUrl(url), /123|456|789|pass/, doc);
  }
});

test('no text makes it slow to be shown', () => {
  const url = new URL('http://host/');
  for (const unit of ['+', 'a.', 'a:', 'a:a@', '.', '<', '?&=', 'http://a.', 'Basic ']) {
    const text = unit.repeat(65_536 / unit.length);
    const startedAt = performance.now();
    showText(text);
    showUrl(`http://host/?${text}`);
    showHeaders(() => [text], url);
    // A pattern that goes back over its text takes minutes.
    assert.ok(performance.now() - startedAt < 20_000, unit);
  }
});
