import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { describe, it } from 'node:test';
import { serveRaw } from '../http/servers.ts';
import { startDockerRegistry } from '../rig/docker-registry.ts';
import type { Owner } from '../rig/lifetime.ts';
import { missing } from '../rig/programs.ts';
import { startRecorder } from '../rig/recorder.ts';
import { THIS_FILE } from '../rig/this-file.ts';
import { makeProject, prepareDimg } from './scene.ts';

const skip = missing('git', 'docker-registry');

describe('bp', { skip }, async () => {
  if (skip) return;
  const { dimg, tryDimg, program } = await prepareDimg(THIS_FILE);
  const { host } = await startDockerRegistry(THIS_FILE);
  const tagsOf = async (repository: string): Promise<readonly string[]> => {
    const answer = await fetch(`http://${host}/v2/${repository}/tags/list`);
    const { tags } = (await answer.json()) as { tags?: string[] | null };
    return tags ?? [];
  };

  it('of four that are there builds nothing, and asks once for each name', async (t) => {
    const { host: recorded, requests, clear } = await startRecorder(t, host);
    const { folder } = await makeProject(t, {
      'werf.yaml': four('artifact: assets\nfrom: base\ngit: [{ to: /out, add: /assets }]\n'),
      'assets/style': 's',
      ...Object.fromEntries(FOUR.map((name) => [`${name}/main`, name])),
    });
    const bp = ['bp', `${recorded}/unchanged`];
    await dimg(folder, ...bp);
    clear();
    const again = await dimg(folder, ...bp);
    assert.deepEqual(
      again.filter((each) => !/ \[(?:EXIST|USING CACHE)\]$/.test(each)),
      [],
    );
    const asked = requests.map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual(
      asked.filter((each) => each !== 'GET /v2/').sort(),
      FOUR.map((name) => `HEAD /v2/unchanged/${name}/manifests/latest`),
    );

    // With its stages, too: one request each, and nothing is read.
    await dimg(folder, ...bp, '--with-stages');
    clear();
    await program.must(['dimg', ...bp, '--with-stages', '--dir', folder]);
    const kinds = new Set(requests.map(({ method, path }) => `${method} ${path.slice(0, 4)}`));
    kinds.delete('GET /v2/');
    assert.deepEqual([...kinds], ['HEAD /v2/']);
    assert.equal(requests.filter(({ method }) => method === 'HEAD').length, 4 + 2 + 4 * 3);
  });

  it('moves no name when one of several can not be built', async (t) => {
    const files = (from: string) => ({
      'werf.yaml': [
        ...['artifact: made', 'from: base', '---'],
        ...['dimg: a', 'from: base', 'git: [{ to: /app }]', '---'],
        ...[
          'dimg: b',
          'from: base',
          `import: [{ artifact: made, add: ${from}, to: /x, after: setup }]`,
        ],
      ].join('\n'),
      file: 'text',
    });
    const project = await makeProject(t, files('/nowhere'));
    const bp = ['bp', `${host}/half`, '--with-stages'];
    const failed = await tryDimg(project.folder, ...bp);
    assert.notEqual(failed.code, 0);
    assert.match(failed.stdout, /dimg b: after_setup_artifact +\[FAILED\]/);
    assert.doesNotMatch(failed.stdout, /PUSHING/);
    for (const name of ['half', 'half/a', 'half/b']) assert.deepEqual(await tagsOf(name), []);

    await project.commit(files('/bin/busybox'));
    const told = await dimg(project.folder, ...bp);
    assert.ok(told.includes('dimg a: git_archive [USING CACHE]'), 'what was built stays');
    for (const name of ['half/a', 'half/b']) assert.deepEqual(await tagsOf(name), ['latest']);
  });

  it('makes stages anew whose commit the repository lost, and what is made of them', async (t) => {
    const project = await makeProject(t, {
      'werf.yaml': [
        ...['project: lost', '---'],
        ...['artifact: made', 'from: base', 'git: [{ to: /src }]', '---'],
        ...[
          'dimg: ~',
          'from: base',
          'import: [{ artifact: made, add: /src/file, to: /got, after: setup }]',
        ],
      ].join('\n'),
      file: 'first',
    });
    const { folder, git } = project;
    await dimg(folder, 'build');
    await writeFile(path.join(folder, 'file'), 'second');
    await git('commit', '--quiet', '--all', '--amend', '--message=other');
    await git('reflog', 'expire', '--expire=now', '--all');
    await git('gc', '--quiet', '--prune=now');
    const { stdout, stderr, code } = await tryDimg(folder, 'bp', `${host}/lost`);
    assert.equal(code, 0, stderr);
    assert.equal(
      stderr.match(/which this repository doesn't have: they are made anew/g)?.length,
      1,
    );
    assert.match(stdout, /artifact made: git_archive +\[BUILDING\]/);
    // Its signature is what it was; that the files are others is seen all the same.
    assert.match(stdout, /dimg: after_setup_artifact +\[BUILDING\]/);
    const again = await dimg(folder, 'bp', `${host}/lost`);
    assert.ok(
      again.every((each) => / \[(?:EXIST|USING CACHE)\]$/.test(each)),
      again.join('\n'),
    );
  });

  it('ends as soon as the registry refuses it', async (t) => {
    const closed = await startRecorder(t, host, ({ method }) =>
      method === 'POST' ? { status: 403, body: { errors: [{ code: 'DENIED' }] } } : undefined,
    );
    const { folder } = await makeProject(t, { 'werf.yaml': four(''), 'api/main': 'x' });
    const refused = await tryDimg(folder, 'bp', `${closed.host}/refused`);
    assert.equal(refused.code, 11, refused.stderr);
    assert.doesNotMatch(refused.stdout, /\[PUSHING\]/, 'before it begins to publish');
  });

  for (const [when, pattern] of [
    ['the first layer', /POST \/v2\/gone-\d\/[a-z]+\/blobs\/uploads/],
    ['the first manifest', /PUT \/v2\/gone-\d\/[a-z]+\/manifests\/sha256/],
    ['the first name', /PUT \/v2\/gone-\d\/[a-z]+\/manifests\/latest/],
  ] as const) {
    it(`goes on after a registry that went away at ${when}`, async (t) => {
      const path = `gone-${when.length % 10}`;
      const front = await startFront(t, host, pattern);
      const { folder } = await makeProject(t, { 'werf.yaml': four(''), 'api/main': when });
      const bp = ['bp', `${front.host}/${path}`, '--retries', '1'];
      const failed = await tryDimg(folder, ...bp);
      assert.equal(failed.code, 16, failed.stderr);
      assert.match(failed.stderr, /hint: no name was moved; run the same command again/);
      assert.equal(front.wentAway, true);
      for (const name of FOUR) assert.deepEqual(await tagsOf(`${path}/${name}`), []);
      front.comeBack();
      const told = await dimg(folder, ...bp);
      assert.ok(!told.some((each) => each.endsWith('[BUILDING]')));
      for (const name of FOUR) assert.deepEqual(await tagsOf(`${path}/${name}`), ['latest']);
    });
  }
});

const FOUR = ['api', 'core', 'queue', 'web'];

/** A configuration of four dimgs, which take files of an artifact if there is one. */
function four(artifact: string): string {
  const imports = '\nimport: [{ artifact: assets, add: /out, to: /public, after: install }]';
  const dimgs = FOUR.map(
    (name) =>
      `dimg: ${name}\nfrom: base\ngit: [{ add: /${name}, to: /app }]${artifact && imports}\ndocker: { CMD: [sh] }\n`,
  );
  return [...(artifact === '' ? [] : [artifact]), ...dimgs].join('---\n');
}

/** A way to a registry that is gone from a request on, until it comes back. */
async function startFront(owner: Owner, upstream: string, gone: RegExp) {
  const { hostname, port } = new URL(`http://${upstream}`);
  const open = new Set<net.Socket>();
  const state = { isAway: false, isOver: false };
  const host = await serveRaw(owner, (socket) => {
    if (state.isAway) return void socket.destroy();
    open.add(socket);
    const onward = net.connect(Number(port), hostname);
    onward.on('error', () => socket.destroy());
    socket.on('close', () => open.delete(socket) && onward.destroy());
    onward.on('close', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      if (!state.isOver && gone.test(chunk.toString('latin1'))) state.isAway = true;
      if (!state.isAway) onward.write(chunk);
      else for (const each of open) each.destroy();
    });
    onward.pipe(socket);
  });
  return {
    host,
    get wentAway() {
      return state.isAway;
    },
    comeBack() {
      Object.assign(state, { isAway: false, isOver: true });
    },
  };
}
