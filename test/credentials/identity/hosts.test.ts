import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cloudRegistry } from '../../../src/credentials/identity/hosts.ts';

const OURS: readonly (readonly [host: string, cloud: string])[] = [
  ['123456789012.dkr.ecr.us-east-1.amazonaws.com', 'ecr'],
  ['123456789012.dkr.ecr.us-gov-west-1.amazonaws.com', 'ecr'],
  ['123456789012.dkr.ecr-fips.us-west-2.amazonaws.com', 'ecr'],
  ['123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn', 'ecr'],
  ['123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu', 'ecr'],
  ['123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov', 'ecr'],
  ['123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov', 'ecr'],
  ['123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk', 'ecr'],
  ['123456789012.dkr.ecr.us-isof-south-1.csp.hci.ic.gov', 'ecr'],
  ['123456789012.dkr-ecr.eu-west-1.on.aws', 'ecr'],
  ['123456789012.dkr-ecr-fips.us-east-1.on.aws', 'ecr'],
  ['123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn', 'ecr'],
  ['public.ecr.aws', 'ecr-public'],
  ['ecr-public.aws.com', 'ecr-public'],
  ['gcr.io', 'google'],
  ['eu.gcr.io', 'google'],
  ['us-docker.pkg.dev', 'google'],
  ['europe-west1-docker.pkg.dev', 'google'],
  ['registry.azurecr.io', 'azure'],
  ['registry-abc123.azurecr.io', 'azure'],
  ['registry.azurecr.cn', 'azure'],
  ['registry.azurecr.us', 'azure'],
  ['ghcr.io', 'github'],
  ['quay.io', 'quay'],
];

const NOT_OURS: readonly string[] = [
  '1.dkr.ecr.us-east-1.amazonaws.com.evil.test',
  '123456789012.dkr.ecr.us-east-1.amazonaws.com.evil.test',
  'evil-123456789012.dkr.ecr.us-east-1.amazonaws.com',
  'evil.123456789012.dkr.ecr.us-east-1.amazonaws.com',
  '1.dkr.ecr.us-east-1.amazonaws.com',
  '1234567890123.dkr.ecr.us-east-1.amazonaws.com',
  '123456789012.dkr.ecr.us-east-1.evilamazonaws.com',
  '123456789012.dkr.ecr.us-east-1-amazonaws.com',
  '123456789012.dkr.ecr.amazonaws.com',
  '123456789012.dkr.ecr.evil.amazonaws.com',
  '123456789012.dkr.ecr.us-east-1.evil.amazonaws.com',
  '123456789012.dkr.ecr.s3.us-east-1.amazonaws.com',
  '123456789012.dkrxecr.us-east-1.amazonaws.com',
  '123456789012xdkr.ecr.us-east-1.amazonaws.com',
  '123456789012.dkr.ecr.us-east-1.on.aws',
  '123456789012.dkr-ecr.us-east-1.amazonaws.com',
  // a region of one partition under the name of another
  '123456789012.dkr.ecr.us-east-1.amazonaws.com.cn',
  '123456789012.dkr.ecr.cn-north-1.amazonaws.com',
  '123456789012.dkr-ecr.cn-north-1.on.aws',
  'evil.public.ecr.aws',
  'public.ecr.aws.evil.test',
  'public-ecr.aws',
  'ecr.aws',
  'azurecr.io',
  '.azurecr.io',
  'evilazurecr.io',
  'registry.evilazurecr.io',
  'registry.azurecr.io.evil.test',
  'registry.azurecr.de',
  'registry.azurecr.iox',
  'evil.test.azurecr.io',
  'registry-azurecr.io',
  'registry.azurecrxio',
  'gcr.io.evil.test',
  'evilgcr.io',
  'a.b.gcr.io',
  '.gcr.io',
  '-docker.pkg.dev',
  'docker.pkg.dev',
  'us-docker.pkg.dev.evil.test',
  'evil.us-docker.pkg.dev',
  'us-dockerxpkg.dev',
  'us-npm.pkg.dev',
  'ghcr.io.evil.test',
  'evil.ghcr.io',
  'evilghcr.io',
  'github.com',
  'github.com.attacker.example',
  'containers.github.com',
  'containers.github.com.attacker.example',
  'quay.io.evil.test',
  'evilquay.io',
  'docker.io',
  'localhost',
  'localhost:5000',
  '127.0.0.1',
  '[::1]:5000',
  'constructor',
  '__proto__',
  '',
];

test('the registries of each cloud are known by their whole name', () => {
  for (const [host, cloud] of OURS) {
    assert.equal(cloudRegistry(host)?.cloud, cloud, host);
    assert.deepEqual(cloudRegistry(host.toUpperCase()), cloudRegistry(host), host);
  }
});

test('a name that only looks like one belongs to nobody', () => {
  for (const host of NOT_OURS) assert.equal(cloudRegistry(host), undefined, host);
});

test('a port, a final dot, a user, a path or a blank make another host of a name', () => {
  for (const [host] of OURS) {
    const others = [
      ...[`${host}:443`, `${host}:8443`, `${host}.`, `user@${host}`, `user:x@${host}`],
      ...[`${host}/`, `${host}/x`, `${host}#`, `${host}?x`, `${host}%00`, `${host}\n`, ` ${host}`],
      ...[`${host}\0`, `${host}\u2024test`, `evil.test/${host}`, `evil.test#${host}`],
      ...[`https://${host}`, `${host}\\evil.test`, `${host}evil`, `${host}-evil.test`],
    ];
    for (const other of others) {
      assert.equal(cloudRegistry(other)?.cloud, undefined, JSON.stringify(other));
    }
  }
});

test('whatever stands before or behind a name, it does not become a known one', () => {
  const hosts = fc.constantFrom(...OURS.map(([host]) => host));
  const domain = fc.stringMatching(/^[a-z0-9-]{1,10}(?:\.[a-z0-9-]{1,10}){0,2}$/);
  fc.assert(
    fc.property(hosts, domain, (host, text) => {
      assert.equal(cloudRegistry(`${host}.${text}`), undefined);
      // What is below gcr.io is Google's.
      if (host !== 'gcr.io') assert.equal(cloudRegistry(`${text}.${host}`), undefined);
    }),
    { numRuns: 1000 },
  );
});

test('the region is taken from the name', () => {
  const found = cloudRegistry('123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com');
  assert.deepEqual(found, {
    cloud: 'ecr',
    host: '123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com',
    region: 'us-gov-west-1',
    isFips: true,
    isDualStack: false,
  });
});

test('a job at another GitHub server is known at that registry and not at ghcr.io', () => {
  const of = (server: string, host: string) => cloudRegistry(host, server)?.cloud;
  assert.equal(of('https://github.com', 'ghcr.io'), 'github');
  assert.equal(of('https://octo.ghe.com', 'containers.octo.ghe.com'), 'github');
  assert.equal(of('https://octo.ghe.com', 'ghcr.io'), undefined);
  assert.equal(of('https://octo.ghe.com', 'containers.other.ghe.com'), undefined);
  assert.equal(of('https://octo.ghe.com', 'containers.octo.ghe.com.evil.test'), undefined);
  assert.equal(of('http://octo.ghe.com', 'containers.octo.ghe.com'), undefined);
  assert.equal(of('https://github.com.attacker.example', 'ghcr.io'), undefined);
  assert.equal(of('nonsense', 'ghcr.io'), undefined);
});
