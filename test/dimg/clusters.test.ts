import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { usedImages } from '../../src/dimg/clusters.ts';
import { closedPort } from '../http/servers.ts';
import { atEnd, type Owner, tempDir } from '../rig/lifetime.ts';
import { type Answer, kubeConfig, startCluster } from './kubernetes.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const NONE = `sha256:${'0'.repeat(64)}`;
const REPOSITORY = 'registry.example.org:5000/team/app';

function tagged(tag: string, digest = NONE) {
  return { repository: REPOSITORY, tag, digest };
}

/** An object whose pods have a container. */
function withPods(image: string): object {
  return { metadata: { name: 'x' }, spec: { template: { spec: { containers: [{ image }] } } } };
}

describe('images that clusters use', () => {
  it('are those of all kinds, containers and contexts', async (t) => {
    const plain = await startCluster(t, { perPage: 1 });
    const secret = await startCluster(t, { tls: true });
    const of = (tag: string) => `${REPOSITORY}:${tag}`;
    const pod = {
      spec: {
        containers: [{ name: 'a', image: of('pod') }, { image: 'debian' }],
        initContainers: [{ image: of('init') }],
        ephemeralContainers: [{ image: of('ephemeral') }],
      },
      status: {
        containerStatuses: [
          { image: of('moved'), imageID: `docker-pullable://${REPOSITORY}@${DIGEST}` },
        ],
      },
    };
    const lists: Record<string, Answer> = {
      '/api/v1/pods': [withPods('other'), pod],
      '/api/v1/replicationcontrollers': [withPods(of('controller'))],
      '/apis/apps/v1/deployments': [withPods(of('deployment')), withPods(of('second-page'))],
      '/apis/apps/v1/statefulsets': [withPods(of('stateful'))],
    };
    const others: Record<string, Answer> = {
      '/apis/apps/v1/daemonsets': [withPods(of('daemon'))],
      '/apis/apps/v1/replicasets': [withPods(of('replica'))],
      '/apis/batch/v1/jobs': [withPods(of('job'))],
      '/apis/batch/v1/cronjobs': [{ spec: { jobTemplate: withPods(of('cron')) } }],
    };
    for (const [at, answer] of Object.entries(lists)) plain.answers.set(at, answer);
    for (const [at, answer] of Object.entries(others)) secret.answers.set(at, answer);
    const env = { KUBECONFIG: await kubeConfig(t, [plain, secret]) };
    const used = await usedImages({ env });
    for (const tag of [
      ...['pod', 'init', 'ephemeral', 'moved', 'controller', 'deployment', 'second-page'],
      ...['stateful', 'daemon', 'replica', 'job', 'cron'],
    ]) {
      assert.ok(used.has(tagged(tag)), tag);
    }
    assert.ok(used.has(tagged('any', DIGEST)), 'what runs by its digest');
    assert.ok(!used.has(tagged('latest')) && !used.has({ ...tagged('pod'), repository: 'a/b' }));
    assert.ok(used.has({ ...tagged('latest'), repository: 'docker.io/library/debian' }));
    const asked = [...Object.keys(lists), ...Object.keys(others)];
    for (const at of asked) {
      assert.ok(plain.asked.includes(`GET ${at} Bearer token-0`), at);
      assert.ok(secret.asked.includes(`GET ${at} Bearer token-1`), at);
    }
  });

  for (const [status, code] of [
    [403, 'DENIED'],
    [401, 'AUTH_REQUIRED'],
    [500, 'SERVER_ERROR'],
    [404, 'SERVER_ERROR'],
  ] as const) {
    it(`are not known where one list is answered ${status}`, async (t) => {
      const good = await startCluster(t);
      const bad = await startCluster(t);
      bad.answers.set('/apis/batch/v1/cronjobs', status);
      const env = { KUBECONFIG: await kubeConfig(t, [good, bad]) };
      await assert.rejects(usedImages({ env }), (error: Error & { code: string; hint: string }) => {
        assert.equal(error.code, code);
        assert.match(error.message, /context context-1 of Kubernetes .*cron jobs/);
        assert.match(error.hint, /^nothing was removed; --without-kube/);
        assert.doesNotMatch(`${error.message} ${error.hint}`, /token-/);
        return true;
      });
    });
  }

  it('are not known where a cluster is away, or is not who it says', async (t) => {
    const url = `http://127.0.0.1:${await closedPort()}`;
    const env = { KUBECONFIG: await kubeConfig(t, [{ url }]) };
    await assert.rejects(usedImages({ env }), { code: 'NETWORK', message: /ECONNREFUSED/ });
    const stranger = await startCluster(t, { tls: true });
    const unknown = { KUBECONFIG: await kubeConfig(t, [{ url: stranger.url }]) };
    await assert.rejects(usedImages({ env: unknown }), { code: 'NETWORK' });
    assert.deepEqual(stranger.asked, []);
  });

  describe('where a program says who we are', () => {
    /** The configuration of a cluster with a program of these lines. */
    const withProgram = async (t: Owner, ...lines: readonly string[]) => {
      const command = path.join(await tempDir(t), 'who');
      await writeFile(command, `#!/bin/sh\n${lines.join('\n')}\n`, { mode: 0o755 });
      const cluster = await startCluster(t);
      const apiVersion = 'client.authentication.k8s.io/v1';
      const env = [{ name: 'NAME', value: 'me' }];
      const user = () => ({ exec: { apiVersion, command, args: ['token'], env } });
      return { cluster, env: { KUBECONFIG: await kubeConfig(t, [cluster], user) } };
    };

    it('its token is used', async (t) => {
      const said = `printf '{"status":{"token":"%s-%s"}}' "$NAME" "$1"`;
      const { cluster, env } = await withProgram(t, said);
      cluster.answers.set('/api/v1/pods', [
        { spec: { containers: [{ image: `${REPOSITORY}:used` }] } },
      ]);
      assert.ok((await usedImages({ env })).has(tagged('used')));
      assert.ok(
        cluster.asked.every((each) => each.endsWith(' Bearer me-token')),
        cluster.asked[0],
      );
    });

    it('nothing is known where it fails, and what it printed for others is not shown', async (t) => {
      const failing = await withProgram(t, 'echo log in first >&2', 'exit 1');
      await assert.rejects(usedImages(failing), { code: 'NETWORK', message: /log in first/ });
      for (const said of ["printf 'abc secret-token'", 'printf %s \'{"token": "secret-token"}\'']) {
        const strange = await withProgram(t, said);
        await assert.rejects(usedImages(strange), (error: Error & { code: string }) => {
          assert.equal(error.code, 'NETWORK');
          assert.doesNotMatch(error.message, /secret/);
          assert.match(error.message, /context context-0 of Kubernetes can't be asked for pods/);
          return true;
        });
        assert.deepEqual(strange.cluster.asked, []);
      }
    });

    it('one that goes on is not waited for', async (t) => {
      const pids = path.join(await tempDir(t), 'pids');
      atEnd(t, async () => {
        const told = async () =>
          (await readFile(pids, 'utf8').catch(() => '')).match(/\d+\n/g) ?? [];
        // On a busy machine they may not have begun yet.
        while ((await told()).length < 2) await delay(50);
        for (const pid of await told()) process.kill(Number(pid));
      });
      const { env } = await withProgram(t, `echo $$ >> ${pids}`, 'exec sleep 60');
      await assert.rejects(usedImages({ env, timeoutMs: 300 }), {
        code: 'NETWORK',
        message: /can't be asked for pods: .*timeout/,
      });
      const stop = new AbortController();
      const asking = usedImages({ env, signal: stop.signal });
      const reason = new Error('stopped');
      setTimeout(() => stop.abort(reason), 300);
      await assert.rejects(asking, reason);
    });
  });

  it('end with an interruption while a cluster says nothing', async (t) => {
    const silent = await startCluster(t);
    silent.answers.set('/api/v1/pods', 'nothing');
    const env = { KUBECONFIG: await kubeConfig(t, [silent]) };
    const stop = new AbortController();
    const asking = usedImages({ env, signal: stop.signal });
    const reason = new Error('stopped');
    setTimeout(() => stop.abort(reason), 50);
    await assert.rejects(asking, reason);
  });

  it('are not known without a configuration that can be read', async (t) => {
    const folder = await tempDir(t);
    const HOME = folder;
    await assert.rejects(usedImages({ env: { HOME } }), {
      code: 'CONFIG_INVALID',
      message: 'no context of Kubernetes is known',
      hint: /--without-kube/,
    });
    const missing = { HOME, KUBECONFIG: path.join(folder, 'none') };
    await assert.rejects(usedImages({ env: missing }), { message: /none can't be used: ENOENT/ });
    const file = path.join(folder, 'broken');
    await writeFile(file, 'users: [{ name: x, user: { token: "secret\n');
    await assert.rejects(usedImages({ env: { HOME, KUBECONFIG: file } }), (error: Error) => {
      assert.match(error.message, /it is no configuration of Kubernetes/);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
    await writeFile(file, 'contexts: [{ name: c, context: { cluster: a, user: b } }]\n');
    await assert.rejects(usedImages({ env: { HOME, KUBECONFIG: file } }), {
      message: /context c of Kubernetes names a cluster or user that isn't there/,
    });
  });
});
