import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseChallenges } from '../../src/http/challenge.ts';
import { productOf, profileOf } from '../../src/registry/profiles.ts';
import { createTraits } from '../../src/registry/traits.ts';
import { openHints } from '../../src/state/hints.ts';
import { atEnd, tempDir } from '../rig/lifetime.ts';
import { blobOf, connect } from './clients.ts';
import { startFakeRegistry } from './fake-registry.ts';

const told = (challenge: string, server?: string) =>
  productOf({ server, challenges: parseChallenges([challenge]) })?.name;

test('a product is told by where it sends for tokens, or by the name of its server', () => {
  const at = (path: string, service: string) =>
    told(`Bearer realm="https://login.example.com${path}",service="${service}"`, 'nginx');
  assert.equal(at('/service/token', 'harbor-registry'), 'Harbor');
  assert.equal(at('/jwt/auth', 'container_registry'), 'GitLab');
  assert.equal(at('/v2/token', 'container_registry'), 'Gitea or Forgejo');
  assert.equal(told('BASIC realm="any"', 'Nexus/3.90.2-06 (COMMUNITY)'), 'Sonatype Nexus');
});

test('what looks alike is not taken for a product', () => {
  const at = (realm: string, service: string) =>
    told(`Bearer realm="${realm}",service="${service}"`);
  assert.equal(at('https://example.com/service/token', 'registry'), undefined);
  assert.equal(at('https://example.com/service/token/x', 'harbor-registry'), undefined);
  assert.equal(at('https://auth.docker.io/token', 'registry.docker.io'), undefined);
  assert.equal(told('Basic realm="Harbor"', 'my Nexus/1'), undefined);
});

test('a product is remembered for its host, and a host that is known by name needs none', async (t) => {
  const hints = openHints(await tempDir(t));
  atEnd(t, () => hints.close());
  const registry = await startFakeRegistry(t, ({ response }) => {
    response.setHeader('server', 'Nexus/3.90.2-06 (COMMUNITY)');
    return false;
  });
  assert.equal(createTraits(hints, registry.host).now.name, 'an unknown registry');
  const { repository } = connect(t, registry.host, { hints });
  const { descriptor, open } = blobOf(100);
  await repository.push(descriptor, open);
  assert.equal(createTraits(hints, registry.host).now.name, 'Sonatype Nexus');
  assert.equal(profileOf('ghcr.io')?.name, 'GitHub Container Registry');
  assert.equal(profileOf(registry.host), undefined);
});

test('a hint that names no product is not believed', async (t) => {
  const hints = openHints(await tempDir(t));
  atEnd(t, () => hints.close());
  hints.set('host-traits', 'example.com', { product: 'Anything', learnedAtMs: Date.now() });
  assert.equal(createTraits(hints, 'example.com').now.name, 'an unknown registry');
});
