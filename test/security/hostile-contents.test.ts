import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { dockerArchive, layerOf } from '../cli/archives.ts';
import { prepareCommandLine } from '../cli/in-process.ts';
import { testRegistry } from '../content/places.ts';
import { tempDir } from '../rig/lifetime.ts';
import { row } from './rows.ts';
import { HOSTILE, UNSAFE } from './unsafe.ts';

/** A config in which every text is hostile. */
const CONFIG = {
  author: HOSTILE,
  created: '2024-01-01T00:00:00Z',
  config: {
    Cmd: [HOSTILE, 'x'],
    Entrypoint: [HOSTILE],
    Env: [`PATH=${HOSTILE}`, `X${HOSTILE}=1`],
    Labels: { [HOSTILE]: HOSTILE, maintainer: HOSTILE },
    User: HOSTILE,
    WorkingDir: `/${HOSTILE}`,
    ExposedPorts: { [HOSTILE]: {} },
    Volumes: { [`/${HOSTILE}`]: {} },
    StopSignal: HOSTILE,
    Healthcheck: { Test: ['CMD', HOSTILE] },
    Shell: [HOSTILE],
  },
  history: [
    { created: '2024-01-01T00:00:00Z', created_by: HOSTILE, comment: HOSTILE, author: HOSTILE },
  ],
};

row(
  'Output',
  'GO-2026-5039, the raw tables of other tools',
  'no text of an image gets control of a terminal or a CI system, whichever command shows it',
  async (t) => {
    const slipway = await prepareCommandLine(t);
    const { registry } = await testRegistry(t);
    const dir = await tempDir(t);
    const archive = path.join(dir, 'app.tar');
    const layers = [layerOf(`a${HOSTILE}`, 'x')];
    await writeFile(archive, dockerArchive({ names: ['app:1'], layers, config: CONFIG }));
    await writeFile(path.join(dir, 'Dockerfile'), 'FROM app:1\nCOPY Dockerfile /\nUSER 1\n');
    const app = `${registry.host}/team/app`;
    const annotations = ['--annotation', `a=${HOSTILE}`, '--annotation', `${HOSTILE}=b`];
    let shown = '';
    for (const [args, fails] of [
      [['load', '-i', archive]],
      [['push', '--from', `docker-archive:${archive}`, `${app}:1`, '--verify']],
      [['push', '--from', `docker-archive:${archive}`, `${app}:2`, '--format', 'json']],
      [['plan', 'push', '--from', `docker-archive:${archive}`, `${app}:3`]],
      [['copy', `docker-archive:${archive}`, `docker://${app}:3`, '--compression', 'zstd']],
      [['inspect', `${app}:1`]],
      [['inspect', `docker-archive:${archive}`], 'maybe'],
      [['ls', app]],
      [['ls', app, '--json']],
      [['ls', app, '--digests']],
      [['verify', '--deep', `${app}:1`]],
      [['verify', '--deep', '--json', `${app}:1`]],
      [['pull', `${app}:1`]],
      [['images']],
      [['images', '--digests', '--no-trunc']],
      [['images', '--format', 'json']],
      [['images', '--format', '{{.Repository}} {{json .}}']],
      [['images', '--filter', `label=${HOSTILE}`], 'maybe'],
      [['image', 'inspect', 'app:1']],
      [['image', 'history', 'app:1']],
      [['image', 'history', '--no-trunc', 'app:1']],
      [['image', 'history', '--format', 'json', 'app:1'], 'maybe'],
      [['save', '-o', path.join(dir, 'out.tar'), 'app:1']],
      [['copy', `docker://${app}:1`, `oci:${dir}/layout:1`]],
      [['copy', `oci:${dir}/layout:1`, `docker-archive:${dir}/again.tar`]],
      [['index', 'create', `${app}:all`, `docker://${app}:1`, ...annotations]],
      [['index', 'annotate', `${app}:all`, ...annotations]],
      [['inspect', `${app}:all`]],
      [['build', '--engine', 'native', '-t', 'built', '-f', `${dir}/Dockerfile`, dir], 'maybe'],
      [['tag', 'app:1', 'other:1']],
      [['rmi', 'other:1']],
      [['doctor', registry.host]],
      [['rm', `${app}:2`]],
      [['image', 'prune', '-f']],
      // Words of the user are outside text too: they come from variables of a pipeline.
      [['pull', HOSTILE], 'fails'],
      [['load', '-i', `${dir}/${HOSTILE}`], 'fails'],
      [['copy', `oci:${dir}/${HOSTILE}`, `docker://${app}:4`], 'fails'],
      [['build', '--engine', 'native', `${dir}/${HOSTILE}`], 'fails'],
      [['run', HOSTILE], 'fails'],
      [[HOSTILE], 'fails'],
      [['push', `--${HOSTILE}`], 'fails'],
      [['push', '--jobs', HOSTILE, app], 'fails'],
      [['make', '-C', dir, HOSTILE], 'fails'],
      [['jet', 'validate', '--dir', `${dir}/${HOSTILE}`], 'fails'],
      [['dimg', 'list', '--dir', `${dir}/${HOSTILE}`], 'fails'],
      [['slug', HOSTILE], 'maybe'],
    ] as const) {
      const { code, stdout, stderr } = await slipway.run(
        args[0] === HOSTILE ? args : [...args, '--debug'],
      );
      const what = args.join(' ');
      if (fails !== 'maybe') assert.equal(code !== 0, fails === 'fails', `${what}: ${stderr}`);
      assert.doesNotMatch(stdout, UNSAFE, what);
      assert.doesNotMatch(stderr, UNSAFE, what);
      assert.doesNotMatch(stderr, /bug of slipway/, what);
      shown += stdout + stderr;
    }
    // A terminal is drawn on with sequences of our own.
    const drawn = await slipway.run(['load', '-i', `${dir}/${HOSTILE}`, '--progress', 'tty']);
    assert.doesNotMatch(drawn.stderr, /\u001b\[2J|[\u009b\u202e\u061c]|^::|##vso/m);
    assert.match(shown, /set-output/, 'the text itself is shown');
  },
);
