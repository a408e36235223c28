import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SlipwayError } from '../../src/errors.ts';
import { judgeRealm, type TokenRealmPolicy } from '../../src/registry/token-realm.ts';
import { noVectors, vectorRows } from '../oci/vectors.ts';

type Verdict = 'trusted' | 'anonymous' | 'refused';

async function judge(registry: string, realm: string, policy: TokenRealmPolicy): Promise<Verdict> {
  try {
    return await judgeRealm(new URL(registry), new URL(realm), policy);
  } catch (error) {
    assert.ok(error instanceof SlipwayError);
    assert.equal(error.code, 'AUTH_REALM_REFUSED');
    return 'refused';
  }
}

const SAME = 'trusted trusted trusted';
const OTHER = 'anonymous anonymous trusted';
const INSIDE = 'refused refused trusted';
const NEVER = 'refused refused refused';

/** registry, realm, and the verdict under `auto`, `same-site` and `any` */
const TABLE: readonly (readonly [registry: string, realm: string, verdicts: string])[] = [
  ['https://r.example.org', 'https://r.example.org/token', SAME],
  ['https://r.example.org:8443', 'https://r.example.org:8443/token', SAME],
  ['http://127.0.0.1:5000', 'http://127.0.0.1:5000/token', SAME],
  ['http://[::1]:5000', 'http://[::1]:5000/token', SAME],
  ['https://10.0.0.1', 'https://10.0.0.1/token', SAME],
  ['https://r.example.org', 'https://auth.example.org/token', SAME],
  ['https://r.example.org', 'https://example.org:8443/token', SAME],
  ['https://r.example.co.uk', 'https://auth.example.co.uk/token', SAME],
  ['https://registry-1.docker.io', 'https://auth.docker.io/token', SAME],
  ['https://registry.gitlab.com', 'https://gitlab.com/jwt/auth', SAME],
  ['https://registry-1.docker.io', 'https://auth.docker.io.example.org/token', OTHER],
  ['https://registry-1.docker.io', 'https://docker.example.org/token', OTHER],
  ['https://r.example.org', 'https://auth.example.com/token', OTHER],
  ['https://r.example.co.uk', 'https://auth.other.co.uk/token', OTHER],
  ['https://one.github.io', 'https://two.github.io/token', OTHER],
  ['https://r.example.org', 'https://8.8.8.8/token', OTHER],
  // An address and `localhost` have no domain: the port must be equal too.
  ['http://127.0.0.1:5000', 'http://127.0.0.1:5001/token', OTHER],
  ['http://[::1]:5000', 'http://[::1]:5001/token', OTHER],
  ['http://localhost:5000', 'http://localhost:5001/token', OTHER],
  ['http://localhost:5000', 'https://localhost:5001/token', OTHER],
  ['http://r.example.org:5000', 'http://auth.example.org/token', OTHER],
  ['http://127.0.0.1:5000', 'http://localhost:5000/token', INSIDE],
  ['http://localhost:5000', 'http://127.1:5000/token', INSIDE],
  ['https://r.example.org', 'https://127.0.0.1/token', INSIDE],
  ['https://r.example.org', 'https://[::1]/token', INSIDE],
  ['https://r.example.org', 'https://0x7f.1/token', INSIDE],
  ['https://r.example.org', 'https://169.254.169.254/token', INSIDE],
  ['https://r.example.org', 'https://[::ffff:10.0.0.1]/token', INSIDE],
  ['https://r.example.org', 'https://0.0.0.0/token', INSIDE],
  ['https://r.example.org', 'https://localhost/token', INSIDE],
  ['https://r.example.org', 'http://r.example.org/token', NEVER],
  ['https://r.example.org', 'http://auth.example.org/token', NEVER],
  ['https://r.example.org', 'https://user@r.example.org/token', NEVER],
  ['https://r.example.org', 'https://:pass@auth.example.org/token', NEVER],
  ['https://r.example.org', 'file:///etc/passwd', NEVER],
  ['https://r.example.org', 'ftp://r.example.org/token', NEVER],
  ['https://r.example.org', 'data:application/json,{}', NEVER],
];

for (const [registry, realm, verdicts] of TABLE) {
  test(`the realm ${realm} of ${registry}: ${verdicts}`, async () => {
    const policies = ['auto', 'same-site', 'any'] as const;
    const found = await Promise.all(policies.map((policy) => judge(registry, realm, policy)));
    assert.equal(found.join(' '), verdicts);
  });
}

test('realms that others refuse get no password from us', { skip: noVectors }, async () => {
  const repo = 'google/go-containerregistry';
  const rows = vectorRows<{ realm: string; wantErr: boolean }>(
    'challenge',
    repo,
    'TestValidateRealmURLUnspecified',
  );
  for (const { realm, wantErr } of rows) {
    const verdict = await judge('https://registry.example.net', realm, 'auto');
    assert.equal(verdict === 'refused', wantErr, realm);
    assert.notEqual(verdict, 'trusted', realm);
  }
  interface Row {
    readonly realm: string;
    readonly registryHost: string;
    readonly insecure?: boolean;
    readonly wantErr?: boolean;
  }
  for (const { realm, registryHost, insecure, wantErr } of vectorRows<Row>(
    'challenge',
    repo,
    'TestValidateRealmURLSameHost',
  )) {
    const registry = `${insecure === true ? 'http' : 'https'}://${registryHost}`;
    assert.equal((await judge(registry, realm, 'auto')) === 'trusted', wantErr !== true, realm);
  }
});
