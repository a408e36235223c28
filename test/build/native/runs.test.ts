import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { fromMemory } from '../../../src/bytes/stream.ts';
import { readManifest } from '../../../src/content/graph.ts';
import { startDockerd } from '../../rig/dockerd.ts';
import { busyboxRoot } from '../../rig/images.ts';
import { missing, missingEngine, mustRun } from '../../rig/programs.ts';
import { startProject } from './project.ts';

test('a native image runs under docker run', {
  skip: missingEngine('docker', 'dockerd') || missing('busybox', 'skopeo', 'tar'),
}, async (t) => {
  const project = await startProject(t);
  const { docker } = await startDockerd(t);
  const root = await busyboxRoot(t);
  await mustRun('tar', ['-C', root, '-cf', path.join(project.context, 'root.tar'), '.']);
  await project.write('hello', 'hello from a file\n');
  const made = await project.build(`FROM scratch
ADD root.tar /
COPY <<EOF /etc/passwd
app:x:1000:1001::/:/bin/sh
EOF
USER app
WORKDIR /home
COPY --chown=app --chmod=400 hello .
ENV WHO=world
ENTRYPOINT ["/bin/busybox"]
CMD ["sh", "-c", "cat hello; echo $WHO; id -u; id -g; ls -n /home"]
`);
  const { bytes } = await readManifest(project.store, made);
  await project.store.tag(made, 'app', (offset) => fromMemory(bytes, offset));
  const archive = path.join(project.dir, 'app.tar');
  await mustRun('skopeo', [
    'copy',
    '-q',
    `oci:${project.store.dir}:app`,
    `docker-archive:${archive}:app:1`,
  ]);
  await docker('load', '-q', '-i', archive);
  const lines = (await docker('run', '--rm', '--network=none', 'app:1')).split('\n');
  assert.deepEqual(lines.slice(0, 4), ['hello from a file', 'world', '1000', '1001']);
  assert.match(lines.at(-1) ?? '', /^-r-------- +1 1000 +1001 .*Jan +1 +1970 hello$/);
});
