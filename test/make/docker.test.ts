import assert from 'node:assert/strict';
import { copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { startDockerd } from '../rig/dockerd.ts';
import { findProgram, missing, missingEngine } from '../rig/programs.ts';
import { entriesOf, prepareRegistry } from './scene.ts';

const DOCKERFILE = `FROM scratch
ARG ROLE=none
COPY bin /bin
COPY text /text
LABEL role=$ROLE
CMD ["/bin/cat", "/text"]
`;
const FOUR = { x86_64: 'amd64', aarch64: 'arm64', armv7l: 'arm/v7', loong64: 'loong64' };
const skip = missingEngine('docker', 'dockerd', 'busybox') || missing('docker-registry', 'skopeo');

test('four architectures are built, tested, pushed, joined, pulled and rolled back', {
  skip,
}, async (t) => {
  const scene = await prepareRegistry(t);
  const { folder, program, host, repository, raw, digest, must, tags } = scene;
  const docker = await startDockerd(t);
  const env = { DOCKER_HOST: docker.env.DOCKER_HOST ?? '', REGISTRY: host, ORGNAME: 'me' };
  const make = (...words: readonly string[]) =>
    program.run(['make', '-C', folder, '-q', ...words], { env });
  const mustMake = async (...words: readonly string[]) => {
    const { code, stdout, stderr } = await make(...words);
    assert.equal(code, 0, `${words.join(' ')}: ${stderr}`);
    return stdout;
  };
  await mkdir(path.join(folder, 'bin'));
  await copyFile(findProgram('busybox') ?? '', path.join(folder, 'bin/busybox'));
  for (const name of ['sh', 'cat', 'echo'])
    await symlink('busybox', path.join(folder, 'bin', name));
  await writeFile(path.join(folder, 'Dockerfile'), DOCKERFILE);
  const settings = {
    make: {
      architectures: Object.keys(FOUR),
      version: { command: 'echo "it is $ROLE"; cat /text', pattern: '^version (.*)$' },
      test: 'cat /text',
    },
  };
  await writeFile(path.join(folder, 'slipway.yaml'), JSON.stringify(settings));
  const release = async (day: string, text: string) => {
    await writeFile(path.join(folder, 'text'), `version ${text}\n`);
    await mustMake('build', 'ARCH=all', `BUILDDATE=${day}`, 'ROLE=master', 'BUILDNUMBER=7');
    assert.equal(await mustMake('test', 'ARCH=x86_64'), `version ${text}\n`);
    // The version of the one that runs here is that of all.
    const lists = ['annotate_latest', 'annotate_version', 'annotate_date'];
    await mustMake('push', ...lists, 'ARCH=all', `BUILDDATE=${day}`);
    assert.ok((await tags()).includes(`aarch64_${text}_${day}`));
  };
  await release('20250101', '1.0');
  const labels = JSON.parse((await must(['image', 'inspect', `${repository}:x86_64`])).join('\n'));
  const config = JSON.stringify(labels);
  for (const part of [
    '"role":"master"',
    '"online.woahbase.build-number":"7"',
    '"org.opencontainers.image.vendor":"me"',
    '"online.woahbase.build-date":"20250101"',
    '"online.woahbase.source-image":"scratch"',
  ]) {
    assert.ok(config.includes(part), part);
  }
  for (const [name, platform] of Object.entries(FOUR)) {
    await docker.docker('pull', '-q', '--platform', `linux/${platform}`, `${repository}:latest`);
    const shown = await docker.docker(
      'image',
      'inspect',
      '-f',
      '{{.Architecture}}{{if .Variant}}/{{.Variant}}{{end}}',
      `${repository}:latest`,
    );
    assert.equal(shown, platform, name);
  }
  const [first, list] = [await digest('x86_64'), await digest('latest')];
  await release('20250102', '1.0');
  assert.notEqual(await digest('latest'), undefined);
  // The same content gives the same image but for its labels, which have the day.
  assert.notEqual(await digest('x86_64'), first);
  await mustMake('rollback');
  assert.deepEqual([await digest('x86_64'), await digest('latest')], [first, list]);
  assert.deepEqual(
    entriesOf(await raw('latest')).map(([platform]) => platform),
    Object.values(FOUR).map((name) => `linux/${name}`),
  );
  await mustMake('build', 'ARCH=x86_64', 'BUILDDATE=20250103');
  const failed = await make(
    'push',
    'ARCH=x86_64',
    'OSVERSION=1.0',
    'BUILDDATE=20250103',
    '--retries=0',
    'VERSIONTAG=127.0.0.1:1/me/x:x',
  );
  assert.equal(failed.code, 16, failed.stderr);
  assert.deepEqual([await digest('x86_64'), await digest('latest')], [first, list]);
  const bad = await make('test', 'ARCH=x86_64', 'TESTCMD=exit 3');
  assert.equal(bad.code, 20, bad.stderr);
  assert.match(bad.stderr, /ended with status 3/);
});
